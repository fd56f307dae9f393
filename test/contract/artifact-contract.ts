import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { PulseError } from "../../src/base/errors.js";
import type { ArtifactContent, ArtifactRepository, UploadOptions } from "../../src/contracts/artifact-repository.js";
import { allOf, contentOf, someBytes, stalling } from "../support/contents.js";

/** How a repository is opened: tests have parts smaller than they are, and give up sooner. */
interface Opening {
  readonly requestTimeoutMs?: number;
}

/** An empty place for artifacts. */
export interface ArtifactSubject {
  open(opening?: Opening): ArtifactRepository;
}

/** What differs between repositories. */
export interface ArtifactKind {
  /** How large parts are, if files go up in parts: those of twice that size and larger. */
  readonly partSize?: number;
  /** Names that cannot be kept there. */
  readonly unfit?: readonly string[];
  /** Names that it stores and lists, but fails to give back. */
  readonly unreadable?: readonly string[];
  /** Whether it keeps what it got of an upload that was cut off. */
  readonly keepsCut?: boolean;
  /** Whether it names no size of empty files. */
  readonly sizeless?: boolean;
}

const NAMES = [
  "with spaces.txt",
  "émoji 🎉.png",
  "100%.txt",
  "%41.txt",
  "a+b.txt",
  `it's "quoted" (twice)!*.txt`,
  "semi;colon,comma&and=is@at$.txt",
  "question?.txt",
  "{braces} [brackets] <angles> ~|^`.txt",
  `${"n".repeat(196)}.txt`,
];

/** What every artifact repository does, however it keeps files. */
export function artifactContract(
  name: string,
  make: () => Promise<ArtifactSubject>,
  { partSize, unfit = [], unreadable = [], keepsCut = false, sizeless = false }: ArtifactKind = {},
): void {
  const opened: ArtifactRepository[] = [];
  after(() => {
    for (const repository of opened) repository.close();
  });
  const fresh = async (): Promise<{
    repository: ArtifactRepository;
    reopen: (opening?: Opening) => ArtifactRepository;
  }> => {
    const subject = await make();
    const reopen = (opening?: Opening): ArtifactRepository => {
      const repository = subject.open(opening);
      opened.push(repository);
      return repository;
    };
    return { repository: reopen(), reopen };
  };
  const contentAt = async (repository: ArtifactRepository, path: string, start?: number): Promise<Buffer> =>
    allOf(await repository.read(path, start));
  const paths = async (repository: ArtifactRepository, folder?: string): Promise<string[]> =>
    (await repository.list(folder)).map(({ path }) => path);
  const code =
    (expected: string) =>
    (error: unknown): boolean => {
      assert.ok(error instanceof PulseError, String(error));
      assert.equal(error.code, expected, error.message);
      return true;
    };

  describe(`artifacts: ${name}`, () => {
    test("a file of any size reads back as it was stored", async () => {
      const { repository } = await fresh();
      for (const size of [0, 1, 100_000]) {
        const bytes = someBytes(size);
        const told: number[] = [];
        await repository.upload(`of ${size}.bin`, contentOf(bytes), { onProgress: (stored) => told.push(stored) });
        assert.ok((await contentAt(repository, `of ${size}.bin`)).equals(bytes));
        if (size > 0) assert.equal(told.at(-1), size);
      }
      const listed = await repository.list();
      assert.deepEqual(
        listed.map(({ path, isDir, size }) => [path, isDir, size]),
        [
          ["of 0.bin", false, sizeless ? undefined : 0],
          ["of 1.bin", false, 1],
          ["of 100000.bin", false, 100_000],
        ],
      );
    });

    test("names may have any characters", async () => {
      const { repository } = await fresh();
      const fit = NAMES.filter((each) => !unfit.includes(each));
      for (const each of fit) await repository.upload(`sub dir+%/${each}`, contentOf(each));
      assert.deepEqual(await paths(repository, "sub dir+%"), fit.map((each) => `sub dir+%/${each}`).sort());
      for (const each of fit)
        if (!unreadable.includes(each)) assert.equal(String(await contentAt(repository, `sub dir+%/${each}`)), each);
      for (const each of unfit) await assert.rejects(repository.upload(each, contentOf(each)), code("REJECTED"));
    });

    test("a listing shows a folder's direct contents only", async () => {
      const { repository } = await fresh();
      assert.deepEqual(await repository.list(), []);
      assert.deepEqual(await repository.list("nowhere/at all"), []);
      for (const path of ["b.txt", "a/b/c/deep.txt", "a/1.txt", "a/2.txt", "a/3.txt", "a/4.txt", "a.txt"])
        await repository.upload(path, contentOf(path));
      assert.deepEqual(await repository.list(), [
        { path: "a", isDir: true, size: undefined },
        { path: "a.txt", isDir: false, size: 5 },
        { path: "b.txt", isDir: false, size: 5 },
      ]);
      assert.deepEqual(await paths(repository, "a"), ["a/1.txt", "a/2.txt", "a/3.txt", "a/4.txt", "a/b"]);
      assert.deepEqual(await repository.list("a/b"), [{ path: "a/b/c", isDir: true, size: undefined }]);
      assert.deepEqual(await repository.list("b.txt"), []);
      assert.equal(String(await contentAt(repository, "a/b/c/deep.txt")), "a/b/c/deep.txt");
    });

    test("a file replaces the one that is there", async () => {
      const { repository } = await fresh();
      for (const text of ["a longer first text", "short", "short"]) await repository.upload("f.txt", contentOf(text));
      assert.equal(String(await contentAt(repository, "f.txt")), "short");
      assert.deepEqual(await paths(repository), ["f.txt"]);
    });

    test("a file can be read from an offset", async () => {
      const { repository } = await fresh();
      const bytes = someBytes(200_000);
      await repository.upload("f.bin", contentOf(bytes));
      for (const start of [1, 70_000, 199_999])
        assert.ok((await contentAt(repository, "f.bin", start)).equals(bytes.subarray(start)));
      assert.equal((await contentAt(repository, "f.bin", 200_000)).length, 0);
    });

    test("a missing file and a folder both read as not there", async () => {
      const { repository } = await fresh();
      await repository.upload("folder/f.txt", contentOf("x"));
      for (const path of ["missing.txt", "folder/missing.txt", "no/folder/f.txt", "folder"])
        await assert.rejects(repository.read(path), code("ARTIFACT_NOT_FOUND"));
    });

    test("of two uploads to one place at once, one is there whole", async () => {
      const { repository } = await fresh();
      const two = [someBytes(150_000, 1), someBytes(150_000, 2)];
      const upload = (bytes: Buffer): Promise<void> => repository.upload("f.bin", contentOf(bytes));
      // A store may stumble over it, as moto does now and then: the same again.
      await Promise.all(
        two.map((bytes) => upload(bytes).catch((error) => (error.retryable ? upload(bytes) : Promise.reject(error)))),
      );
      const stored = await contentAt(repository, "f.bin");
      assert.ok(two.some((bytes) => bytes.equals(stored)));
      assert.deepEqual(await paths(repository), ["f.bin"]);
    });

    test("an aborted upload leaves nothing and says why", async () => {
      const { repository } = await fresh();
      const giveUp = new AbortController();
      const reason = { because: "nobody wants it" };
      const upload = repository.upload(
        "f.bin",
        stalling(someBytes(300_000), 150_000, () => setTimeout(() => giveUp.abort(reason), 20)),
        { signal: giveUp.signal },
      );
      await assert.rejects(upload, (error) => error === reason);
      await assert.rejects(
        repository.upload("g.bin", contentOf("x"), { signal: giveUp.signal }),
        (error) => error === reason,
      );
      if (!keepsCut) assert.deepEqual(await paths(repository), []);
    });

    test("a file that shrank, grew or became unreadable is refused and leaves nothing", async () => {
      const { repository } = await fresh();
      await repository.upload("kept.bin", contentOf("kept"));
      const whole = contentOf(someBytes(200_000));
      const other = (open: ArtifactContent["open"]): ArtifactContent => ({ size: 200_000, open });
      for (const content of [
        other((start, end) => whole.open(start, end - 1)),
        other((start, end) => contentOf(someBytes(end - start + 1)).open(0, end - start + 1)),
        other(() => {
          throw new Error("it is gone");
        }),
      ])
        for (const path of ["f.bin", "kept.bin"])
          await assert.rejects(repository.upload(path, content), code("REJECTED"));
      if (keepsCut) return;
      assert.deepEqual(await paths(repository), ["kept.bin"]);
      assert.equal(String(await contentAt(repository, "kept.bin")), "kept");
    });

    if (partSize === undefined) return;
    const size = partSize * 5 + 1_000;

    test("a large file goes up in parts and reads back as it was", async () => {
      const { repository } = await fresh();
      const bytes = someBytes(size);
      const read: number[] = [];
      const told: number[] = [];
      await repository.upload(
        "dir 1/large%.bin",
        contentOf(bytes, (start) => read.push(start)),
        { onProgress: (stored) => told.push(stored) },
      );
      assert.deepEqual(
        read.sort((a, b) => a - b),
        [0, 1, 2, 3, 4, 5].map((i) => i * partSize),
      );
      assert.equal(told.at(-1), size);
      assert.ok((await contentAt(repository, "dir 1/large%.bin")).equals(bytes));
      assert.deepEqual((await repository.list("dir 1"))[0]?.size, size);
    });

    test("an upload in parts resumes where it failed", async () => {
      const { reopen } = await fresh();
      const bytes = someBytes(size, 3);
      let state: unknown;
      const options: UploadOptions = {
        onState: (kept) => (state = kept === undefined ? undefined : JSON.parse(JSON.stringify(kept))),
      };
      // The third part stalls for longer than is waited for.
      const stuck = stalling(bytes.subarray(0, partSize * 3), partSize * 2);
      const whole = contentOf(bytes);
      const content: ArtifactContent = {
        size,
        open: (start, end) => (start === partSize * 2 ? stuck.open(start, end) : whole.open(start, end)),
      };
      await assert.rejects(
        reopen({ requestTimeoutMs: 1_500 }).upload("f.bin", content, options),
        code("STORE_UNAVAILABLE"),
      );
      assert.deepEqual(await paths(reopen()), []);
      const read: number[] = [];
      await reopen().upload(
        "f.bin",
        contentOf(bytes, (start) => read.push(start / partSize)),
        { ...options, state },
      );
      assert.ok(read.includes(2) && !read.includes(0) && read.length < 5, String(read));
      assert.ok((await contentAt(reopen(), "f.bin")).equals(bytes));
      // The same again, as a retry whose answer was lost would do it.
      await reopen().upload("f.bin", contentOf(bytes), { ...options, state });
      assert.ok((await contentAt(reopen(), "f.bin")).equals(bytes));
    });

    test("an aborted upload in parts leaves nothing", async () => {
      const { repository } = await fresh();
      const giveUp = new AbortController();
      const content = stalling(someBytes(size), partSize * 2 + 10, () => setTimeout(() => giveUp.abort(), 20));
      let state: unknown = "none";
      const onState = (kept: unknown): void => {
        state = kept;
      };
      await assert.rejects(repository.upload("f.bin", content, { signal: giveUp.signal, onState }), {
        name: "AbortError",
      });
      assert.equal(state, undefined);
      assert.deepEqual(await paths(repository), []);
    });
  });
}
