import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { downloadArtifacts, listArtifacts } from "../../src/cli/artifacts.js";
import type { Terminal } from "../../src/cli/output.js";
import type { ArtifactInfo, ArtifactRepository } from "../../src/contracts/artifact-repository.js";
import { createTracker, PulseError, registerArtifactRepository, registerTrackingStore } from "../../src/index.js";
import { command, type Ended } from "../support/command.js";
import { someBytes } from "../support/contents.js";
import { tempFolder } from "../support/folders.js";
import { scripted } from "../support/scripted-server.js";

const root = tempFolder("cli-artifacts");

let folders = 0;
const newFolder = (): string => join(root, `folder-${++folders}`);

/** An embedded store with a run that has logged some files. */
const uri = `sqlite:///${join(root, "mlflow.db")}`;
const weights = someBytes(300_000);
const tracker = createTracker({ trackingUri: uri });
const [logged, bare] = ["files", "none"].map((runName) => tracker.startRun({ runName }));
logged?.logText("# Report", "report.md");
logged?.logBytes(weights, "model/weights.bin");
logged?.logText("deep", "model/more/notes.txt");
const id = (await logged?.serverId()) ?? "";
const empty = (await bare?.serverId()) ?? "";
await tracker.shutdown();

interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Calls a command with a terminal that takes note of what is written. */
async function heard(
  command: (terminal: Terminal) => Promise<number>,
  { json = false, isTTY = false } = {},
): Promise<Said> {
  const texts = { out: "", err: "" };
  const stream = (name: "out" | "err"): Terminal["out"] => {
    const write = (text: string): boolean => {
      texts[name] += text;
      return true;
    };
    return { write, isTTY } as unknown as Terminal["out"];
  };
  const code = await command({ out: stream("out"), err: stream("err"), json });
  return { code, ...texts };
}

const ofRun = { uri, run: id, path: undefined };
const list = (options: Partial<Parameters<typeof listArtifacts>[1]> = {}, how = {}): Promise<Said> =>
  heard((terminal) => listArtifacts(terminal, { ...ofRun, recursive: false, ...options }), how);
const fetched = (options: Partial<Parameters<typeof downloadArtifacts>[1]>, how = {}): Promise<Said> =>
  heard((terminal) => downloadArtifacts(terminal, { ...ofRun, to: undefined, ...options }), how);

/** The same as a program of its own. */
const cli = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> => command(root, args, env);

/** A repository that says whatever a test likes, of a store of its own. */
function odd(listings: Record<string, readonly unknown[]>, read: ArtifactRepository["read"]): { uri: string } {
  const scheme = `odd-${++folders}`;
  const listed = async (path = ""): Promise<readonly ArtifactInfo[]> =>
    (listings[path] ?? []).map((entry) => ({ isDir: false, size: undefined, ...(entry as object) })) as ArtifactInfo[];
  registerArtifactRepository(scheme, (uri) => ({ uri, upload: async () => {}, list: listed, read, close() {} }));
  registerTrackingStore(scheme, (uri) => ({
    uri,
    apply: async () => [],
    close: async () => {},
    artifactsOf: () => `${scheme}://files`,
  }));
  return { uri: `${scheme}:store` };
}

const evil = async (): Promise<Readable> => Readable.from([Buffer.from("evil")]);

test("list shows a run's folder with sizes, and --recursive shows everything", async () => {
  const shown = await list();
  assert.equal(shown.code, 0);
  assert.match(shown.out, /^path +size\nmodel\/\nreport\.md +8 B\n1 file, 1 folder, 8 B in file:\/\/\S+artifacts\n$/);
  assert.match((await list({ path: "model/" })).out, /^path +size\nmodel\/more\/\nmodel\/weights\.bin +293\.0 KiB\n/);
  assert.match(
    (await list({ path: "model/weights.bin" })).out,
    /^path +size\nmodel\/weights\.bin +293\.0 KiB\n1 file, 293/,
  );
  const all = JSON.parse((await list({ recursive: true }, { json: true })).out);
  assert.equal(all.run, id);
  assert.deepEqual(all.artifacts, [
    { path: "model", isDir: true },
    { path: "model/more", isDir: true },
    { path: "model/more/notes.txt", isDir: false, size: 4 },
    { path: "model/weights.bin", isDir: false, size: 300_000 },
    { path: "report.md", isDir: false, size: 8 },
  ]);
  assert.deepEqual(await list({ run: empty }), { code: 0, out: `Run ${empty} has no artifacts.\n`, err: "" });
});

test("download brings a file, a folder or everything, and says what it wrote", async () => {
  const everything = newFolder();
  const whole = await fetched({ to: everything });
  assert.equal(whole.code, 0);
  assert.ok(readFileSync(join(everything, "model/weights.bin")).equals(weights));
  assert.deepEqual(readdirSync(everything, { recursive: true }).sort(), [
    "model",
    "model/more",
    "model/more/notes.txt",
    "model/weights.bin",
    "report.md",
  ]);
  const places = ["model/more/notes.txt", "model/weights.bin", "report.md"]
    .map((path) => `${join(everything, path)}\n`)
    .join("");
  assert.equal(whole.out, `${places}3 files (293.0 KiB) written to ${everything}.\n`);
  const some = newFolder();
  const { files, ...rest } = JSON.parse((await fetched({ path: "model/more", to: some }, { json: true })).out);
  assert.deepEqual(rest, { run: id, to: some, whole: true });
  assert.deepEqual(files, [
    { path: "model/more/notes.txt", place: join(some, "model/more/notes.txt"), size: 4, earlier: false },
  ]);
  const drawn = await fetched({ path: "model/weights.bin", to: some }, { isTTY: true });
  assert.match(drawn.err, /\[█+\] 293\.0 KiB of 293\.0 KiB, [\d.]+ \w+\/s, model\/w/);
  assert.ok(readFileSync(join(some, "model/weights.bin")).equals(weights));
  assert.equal((await fetched({ run: empty, to: newFolder() })).out.includes("0 files (0 B) written"), true);
});

test("commands use the configured store and write into the working folder", async () => {
  const env = { MLFLOW_TRACKING_URI: uri };
  assert.match((await cli(["artifacts", "list", id, "-r"], env)).out, /model\/more\/notes\.txt +4 B/);
  const { code, out } = await cli(["artifacts", "download", id, "report.md"], env);
  assert.equal(code, 0);
  assert.equal(readFileSync(join(root, "report.md"), "utf8"), "# Report");
  assert.match(out, /report\.md\n1 file \(8 B\) written to /);
  const missing = await cli(["artifacts", "list", "x", "--json"], env);
  assert.equal(missing.code, 1);
  assert.match(JSON.parse(missing.out).error, /There is no run x in .*mlflow\.db/);
});

test("a missing path is one line that says what there is", async () => {
  const none = join(root, "none.db");
  for (const [options, message] of [
    [{ run: "a".repeat(32) }, /^There is no run a{32} in \S+mlflow\.db\. Name its store with --uri\.$/],
    [
      { run: "sweep" },
      /^There is no run sweep in .* A run is named by its id, the first digits of it \(4 or more\), its name, or latest; its store by --uri\.$/,
    ],
    [{ uri: `sqlite:///${none}` }, /the file \S+none\.db does not exist\. Name its store with --uri\.$/],
    [
      { path: "reprot.md" },
      /^Run \w{32} has no artifact "reprot\.md"\. Did you mean "report\.md"\? There are model\/, report\.md\.$/,
    ],
    [
      { path: "model/weights.bn" },
      /Did you mean "model\/weights\.bin"\? There are model\/more\/, model\/weights\.bin\.$/,
    ],
    [{ path: "modle/more/notes.txt" }, /has no artifact "modle\/more\/notes\.txt"\. Did you mean "model"\?/],
    [{ path: "report.md/x" }, /has no artifact "report\.md\/x"\./],
    [{ run: empty, path: "report.md" }, /^Run \w{32} has no artifacts, so there is no "report\.md"\.$/],
    [{ path: "../mlflow.db" }, /^Artifact path "\.\.\/mlflow\.db" has a segment "\." or "\.\."/],
    [{ path: "/etc" }, /^Artifact path "\/etc" is absolute/],
    [
      { uri: "memory:" },
      /^memory: keeps no files beyond the program that logs them\. Name the store of the run with --uri\.$/,
    ],
    [{ uri: "null:" }, /^null: keeps no files/],
  ] as const) {
    await assert.rejects(list(options), { message });
    await assert.rejects(fetched({ to: newFolder(), ...options }), { message });
  }
  assert.ok(!existsSync(none));
  registerTrackingStore("bare", (uri) => ({ uri, apply: async () => [], close: async () => {} }));
  await assert.rejects(list({ uri: "bare:x" }), { message: "The store bare:x has no place for artifacts." });
  const file = join(root, "a file");
  writeFileSync(file, "");
  for (const to of [file, join(file, "deep", "er")])
    await assert.rejects(fetched({ to }), { message: `--to needs a folder to write into, and ${file} is a file.` });
});

test("download reports what is refused in a folder and brings the rest", async () => {
  const refusal = new PulseError("REJECTED", "a-link leads out of the folder.");
  const { uri } = odd(
    {
      "": [
        { path: "../up" },
        { path: "a-link" },
        { path: "b.txt" },
        { path: "c", isDir: true },
        { path: "d", isDir: true },
      ],
      c: [{ path: "c/c.txt" }],
      d: [{ path: "d/d.txt" }],
    },
    async (path) => {
      if (path === "a-link") throw refusal;
      return Readable.from([Buffer.from(path)]);
    },
  );
  const to = newFolder();
  mkdirSync(join(to, "b.txt"), { recursive: true });
  writeFileSync(join(to, "c"), "a file");
  const { code, out, err } = await fetched({ uri, to });
  assert.equal(code, 2, err);
  assert.match(out, /d\.txt\n1 file \(7 B\) written to /);
  const refused = out.match(/^Refused: .*$/gm) ?? [];
  assert.deepEqual(refused.map((line) => line.split(":")[1]?.trim()), ["the root", "a-link", "b.txt", "c"]); // biome-ignore format: one list
  const { whole, refused: said } = JSON.parse((await fetched({ uri, to }, { json: true })).out);
  assert.deepEqual([whole, said.length, said[1]], [false, 4, { path: "a-link", reason: refusal.message }]);
  assert.deepEqual(
    readdirSync(to).sort(),
    ["b.txt", "c", "d"].concat(readdirSync(to).filter((name) => name.endsWith(".part"))).sort(),
  );
});

test("a server's run works, and so do its refusal and its absence", async () => {
  let answer: object | undefined = {
    status: 404,
    body: { error_code: "RESOURCE_DOES_NOT_EXIST", message: "Run with id=x not found" },
  };
  const server = await scripted(({ url }) => (url.includes("runs/get") ? answer : undefined));
  try {
    await assert.rejects(list({ uri: server.url, run: "x" }), {
      message: /^There is no run x on http:\S+\d\.?.* A run is named by its id/,
    });
    // The server is on this machine, so that it may name folders of it; another one's bucket it may not.
    answer = { body: { run: { info: { artifact_uri: join(root, "mlruns/0", id, "artifacts") } } } };
    assert.match((await list({ uri: server.url })).out, /report\.md +8 B/);
    answer = { body: { run: { info: { artifact_uri: "s3://elsewhere/x" } } } };
    await assert.rejects(list({ uri: server.url }), {
      message: /s3:\/\/elsewhere\/x" is a bucket named by the server http:\S+/,
    });
    answer = { body: { run: { info: { artifact_uri: "mlflow-artifacts://other:1/x" } } } };
    await assert.rejects(list({ uri: server.url }), { message: /is on another server than/ });
  } finally {
    server.close();
  }
  const away = await fetched({ uri: "http://127.0.0.1:1", to: newFolder() });
  assert.equal(away.code, 2);
  assert.match(
    away.err,
    /^pulse-mlflow: http:\/\/127\.0\.0\.1:1 cannot be reached: [^\n]*ECONNREFUSED [^\n]*Check the address in the tracking URI, that the server runs, and [^\n]*The same command continues where it ended\.\n$/,
  );
  assert.doesNotMatch(away.err, /recording goes on/i);
});

test("a server's own files are asked for with its credentials, and its listing checked", async () => {
  let files: object[] = [{ path: "a.txt", is_dir: false, file_size: 5 }];
  const artifacts = "/api/2.0/mlflow-artifacts/artifacts";
  const server = await scripted(({ url }) => {
    if (url.includes("runs/get"))
      return { body: { run: { info: { artifact_uri: "mlflow-artifacts:/1/r/artifacts" } } } };
    if (url.startsWith(`${artifacts}?`)) return { body: { files } };
    return url === `${artifacts}/1/r/artifacts/a.txt` ? { body: "hello" } : undefined;
  });
  try {
    const env = { MLFLOW_TRACKING_URI: server.url, MLFLOW_TRACKING_TOKEN: "for-it" };
    const to = newFolder();
    const { code, out, err } = await cli(["artifacts", "download", "r", "--to", to], env);
    assert.equal(code, 0, err);
    assert.equal(readFileSync(join(to, "a.txt"), "utf8"), "hello");
    assert.match(out, /a\.txt\n1 file \(5 B\) written to /);
    assert.equal(server.seen.length, 3);
    assert.ok(server.seen.every(({ headers }) => headers.authorization === "Bearer for-it"));
    for (const path of ["../evil.txt", "/evil.txt", "..", "a/b", "..\\evil.txt"]) {
      files = [{ path, is_dir: false, file_size: 5 }];
      const hostile = await cli(["artifacts", "download", "r", "--to", to], env);
      assert.equal(hostile.code, 1);
      assert.match(
        hostile.err,
        /^pulse-mlflow: The listing of "" in mlflow-artifacts:\S+ contains .*, which is not in that folder\.\n/,
      );
    }
    assert.deepEqual(readdirSync(to), ["a.txt"]);
  } finally {
    server.close();
  }
});

test("download resumes an interrupted file and skips a whole one", async () => {
  const bytes = someBytes(200_000);
  const reads: [string, number][] = [];
  let breaks = true;
  const { uri } = odd({ "": [{ path: "a.bin", size: 10 }, { path: "b.bin", size: bytes.length }] }, async (path, start = 0) => {
    reads.push([path, start]);
    if (path === "a.bin") return Readable.from([bytes.subarray(start, 10)]);
    return Readable.from(
      (function* () {
        yield bytes.subarray(start, 150_000);
        if (breaks) throw new Error("connection lost");
        yield bytes.subarray(150_000);
      })(),
    );
  }); // biome-ignore format: two files
  const to = newFolder();
  const first = await fetched({ uri, to });
  assert.equal(first.code, 2);
  assert.match(first.err, /b\.bin has ended early: connection lost\. The same command continues where it ended\.\n$/);
  assert.match(first.out, /a\.bin\n1 file \(10 B\) written to /);
  assert.ok(!existsSync(join(to, "b.bin")));
  breaks = false;
  const second = await fetched({ uri, to });
  assert.equal(second.code, 0);
  assert.match(
    second.out,
    /b\.bin\n1 file \(195\.3 KiB\) written to \S+\. 1 file was there from an earlier attempt\.\n$/,
  );
  assert.deepEqual(reads, [["a.bin", 0], ["b.bin", 0], ["b.bin", 150_000 - 65_536]]); // biome-ignore format: three reads
  assert.ok(readFileSync(join(to, "b.bin")).equals(bytes));
  assert.deepEqual(readdirSync(to).sort(), ["a.bin", "b.bin"]);
  await fetched({ uri, to });
  assert.equal(reads.length, 5); // a download that was finished is no earlier attempt
});

test("an interrupt ends a download at once and says what to do", async () => {
  const { uri } = odd({ "": [{ path: "f.bin", size: 2 }] }, async () => {
    const stream = new Readable({ read() {} });
    stream.push("a");
    setTimeout(() => process.emit("SIGINT"), 20);
    return stream; // which never ends
  });
  const to = newFolder();
  const listeners = process.listenerCount("SIGINT");
  const { code, err } = await fetched({ uri, to });
  assert.equal(code, 2);
  assert.match(err, /It was interrupted\. The same command continues where it ended\.\n$/);
  assert.ok(process.listenerCount("SIGINT") <= listeners);
  assert.equal(readdirSync(to).length, 1);
});

test("writes nothing outside the folder, whatever a repository lists", async () => {
  for (const path of ["../evil.txt", join(root, "evil.txt"), "d/evil.txt", "..", "", ".", undefined, 5]) {
    const { uri } = odd({ "": [{ path }] }, evil);
    for (const recursive of [false, true])
      await assert.rejects(list({ uri, recursive }), {
        message: /The listing of "" in \S+ contains .*, which is not in that folder\.$/,
      });
    const { code, out } = await fetched({ uri, to: newFolder() });
    assert.deepEqual(
      [code, out.match(/^Refused: .* contains .*, which is not in that folder\.$/gm)?.length],
      [2, 1],
      out,
    );
  }
  const { uri } = odd({ "": [{ path: "d", isDir: true }], d: [{ path: "../evil.txt" }] }, evil);
  assert.equal((await fetched({ uri, path: "d", to: newFolder() })).code, 2);
  assert.ok(!existsSync(join(root, "evil.txt")));
});

test("does not follow links that lead out of the folder", async () => {
  const [to, outside] = [newFolder(), newFolder()];
  for (const each of [to, outside]) mkdirSync(each);
  writeFileSync(join(outside, "kept.txt"), "kept");
  symlinkSync(outside, join(to, "link"));
  symlinkSync(join(outside, "kept.txt"), join(to, "file.txt"));
  const { uri } = odd({ "": [{ path: "file.txt", size: 4 }, { path: "link", isDir: true }], link: [{ path: "link/kept.txt" }] }, evil); // biome-ignore format: one listing
  const { code, out } = await fetched({ uri, to });
  assert.equal(code, 2);
  assert.match(
    out,
    /1 file \(4 B\) written to .*\nRefused: link: \S+link leads outside \S+ through a symbolic link, which is not followed\.\n$/,
  );
  assert.equal(readFileSync(join(to, "file.txt"), "utf8"), "evil"); // in the link's place
  assert.deepEqual([readdirSync(outside), readFileSync(join(outside, "kept.txt"), "utf8")], [["kept.txt"], "kept"]);
});

test("file names cannot move the cursor", async () => {
  const { uri } = odd({ "": [{ path: "a\x1b[31m\nb.txt", size: 4 }] }, evil);
  assert.match((await list({ uri })).out, /\na b\.txt +4 B\n/);
  const { out } = await fetched({ uri, to: newFolder() });
  assert.match(out, /\/a b\.txt\n1 file/);
  await assert.rejects(list({ uri, path: "x" }), { message: /There is a b\.txt\.$/ });
});

test("wrong arguments of artifacts are one line and exit code 1", async () => {
  for (const [args, message] of [
    [
      ["artifacts"],
      /A command is missing\. There are artifacts list RUN \[PATH\] and artifacts download RUN \[PATH\]\./,
    ],
    [
      ["artifacts", "lsit", "x"],
      /no command "artifacts lsit"\. Did you mean artifacts list\? There are artifacts list, artifacts download\./,
    ],
    [["artifact", "list", "x"], /no command "artifact"\. Did you mean artifacts list\? There are status, /],
    [["download", "x"], /no command "download"\. Did you mean artifacts download\?/],
    [
      ["artifacts", "list"],
      /artifacts list needs RUN, a run's id or name: npx pulse-mlflow artifacts list RUN \[PATH\]\./,
    ],
    [["artifacts", "download", " "], /artifacts download needs RUN, a run's id or name/],
    [["artifacts", "list", "a", "b", "c"], /artifacts list takes no further argument, got "c"/],
    [["artifacts", "list", "a", "--to", "x"], /artifacts list has no option --to; artifacts download has it/],
    [
      ["artifacts", "download", "a", "--too", "x"],
      /no option --too\. Did you mean --to\? artifacts download has --uri, --to, --json/,
    ],
    [["artifacts", "download", "a", "--to"], /--to needs a value: --to <folder>/],
    [["artifacts", "list", "a", "--uri", "localhost:5000"], /Did you mean "http:\/\/localhost:5000"\?/],
  ] as const) {
    const { code, out, err } = await cli(args);
    assert.deepEqual([code, out], [1, ""], err);
    assert.match(err, message);
    assert.match(err, /^pulse-mlflow: .*\nRun `npx pulse-mlflow --help` for help\.\n$/);
  }
  for (const args of [["artifacts", "--help"], ["help", "artifacts"]]) // biome-ignore format: two ways
    assert.match(
      (await cli(args)).out,
      /^pulse-mlflow artifacts list: .*pulse-mlflow artifacts download: .*--to <folder>/s,
    );
  assert.match(
    (await cli(["artifacts", "list", "-h"])).out,
    /artifacts list RUN \[PATH\] \[options\].*-r, --recursive.*Exit codes\n {2}0 shown/s,
  );
});
