import assert from "node:assert/strict";
import { test } from "node:test";
import { isSecretKey, redactText, shownUri } from "../../../src/base/text/redact.js";
import { valueText } from "../../../src/base/text/value-text.js";
import { everydayNames, everydayParams, everydayTexts } from "../../support/everyday.js";
import { Random } from "../../support/random.js";
import { secretTexts } from "../../support/secret-texts.js";

/** Names whose texts are hidden, whatever they are. */
const SECRET_KEYS =
  "password passwd passcode passphrase Pass-Phrase dbPassword DB_PASS dbPass smtp_pass userpass userPassword db_pwd PGPASSWORD MYSQL_PWD mysql_pw password2 password_1 new_password newPassword oldPassword password_hash passwordHash secret clientSecret client-secret secret_id secrets webhook_secret webhookSecret AWS_SECRET_ACCESS_KEY secretAccessKey apiKey apikey api_key API_KEY X-API-Key apikeys api_key_id openai_api_key OPENAI_API_KEY api_key_openai secretKey private_key privateKey signing_key signingKey encryption_key ssh_key ssh_keys mytoken my_token APITOKEN apiToken api_token authToken _authToken npm_config__authToken accessToken access-token refresh_token auth_tokens hf_token bot_token github_token sas_token csrf_token id_token jwt_token AWS_SESSION_TOKEN authorization Proxy-Authorization authorizationHeader otp totp mfa_code 2fa_code sms_code verificationCode sim_pin connStr conn_str connectionString connection_string db_connection_string credentials credential creds db.password user.token credentials.user seed_phrase Passwort DatenbankPasswort kennwort contraseña contrasena senha mot_de_passe wachtwoord hasło lösenord passord heslo пароль db_пароль 密码 数据库密码 パスワード 비밀번호".split(
    " ",
  );
/** Names of what is a secret or something everyday: their values tell. */
const OPEN_ENDED_KEYS =
  "pass Pass old_pass newPass pwd pw psw token token.hidden lang_x_token identity_token extra_token jwt bearer auth http_auth basic_auth x_auth REDIS_AUTH sas pin salt cookie cookies Set-Cookie session_cookie sessionId sessionid session_id PHPSESSID access_key accessKey master_key masterKey account_key AccountKey deploy_key storage_key subscription_key shared_key license_key hmac_key openai_key openaiKey azureKey stripe_key recovery_code auth_code password_extra clave".split(
    " ",
  );
/** Names that tell nothing bad of their values. */
const OPEN_KEYS =
  "tokens tokenizer max_tokens num_tokens token_pattern token_classification placeholder_token initializer_token lang_token noise_token pad_token eosToken token_type tokenizer_name jwt_algorithm password_policy password_min_length private_key_bits cookie_policy cookie_consent cookie_domain secret_name secretary key keyboard monkey primary_key public_key key_dim author authored auth_method oauth passes compass bypass forward_pass pass_rate passage pins pin_memory spinner sas7bdat_path conn_type session_length credential_provider token.type password.policy auth.type code zip_code resenha salted shallow_copy 数据 Größe".split(
    " ",
  );

test("a name is judged by its last word: that makes it a secret's or not", () => {
  for (const key of SECRET_KEYS) {
    for (const value of ["x", "hunter2", "123456", "correct horse", "abc/def.txt"])
      assert.equal(valueText(key, value, true), "[redacted]", `${key} = ${value}`);
    assert.doesNotMatch(
      valueText(key, { user: "hunter2", list: ["hunter2"], bytes: Buffer.from("hunter2") }, true),
      /hunter2|104/,
      key,
    );
    assert.equal(valueText(key, 5, true), "5");
    assert.equal(valueText(key, true, true), "true");
    assert.equal(valueText(key, { n: [5] }, true), '{"n":[5]}');
    for (const nothing of ["", "<HUB_TOKEN>", "None", "***", "…", "xxxx", "$PASSWORD", "{{ password }}"])
      assert.equal(valueText(key, nothing, true), nothing);
  }
  for (const key of OPEN_KEYS) assert.equal(valueText(key, "a1B2c3D4e5F6g7H8", true), "a1B2c3D4e5F6g7H8", key);
});

test("under ambiguous names only values that look like secrets are hidden", () => {
  for (const key of OPEN_ENDED_KEYS) {
    for (const stays of ["", "abc", "<id>", "[UNUSED]", "[unused12]", "{{ token }}", "32000", "1e-3", "0.30000000000000004", "1/3", "2024-11-25", "/home/me/project", "./src", "C:\\work", "models/id.json", "sculpture", "UNKNOWN", "word-level", "chocolate,oat", "The quick", "AuthKeyHandler", "resnet50-imagenet-v2", '{"dim":64}', "['the', 'quick']"]) // biome-ignore format: one list
      assert.equal(valueText(key, stays, true), stays, `${key} = ${stays}`);
    for (const goes of ["hunter2", "P@ssw0rd!", "a1B2c3D4e5F6g7H8", "correcthorsebatterystaple", "me:hunter2", "4111111111111111", "123e4567-e89b-12d3-a456-426614174000", "ABCD1-EFGH2-IJKL3", '["hunter2"]', "x".repeat(300)]) // biome-ignore format: one list
      assert.equal(valueText(key, goes, true), "[redacted]", `${key} = ${goes}`);
  }
});

test("below a secret's name, texts are judged one by one and numbers and facts stay", () => {
  const of = (value: unknown): unknown => JSON.parse(valueText("cfg", value, true));
  assert.deepEqual(of({ attention: { key: "k_proj" }, token: { dim: 64, type: "word" } }), { attention: { key: "k_proj" }, token: { dim: 64, type: "word" } }); // biome-ignore format: one thing
  assert.deepEqual(of({ password: { first: "letmein", list: ["a", 5], policy: "strict" } }), { password: { first: "[redacted]", list: ["[redacted]", 5], policy: "strict" } }); // biome-ignore format: one thing
  assert.deepEqual(of({ auth: { type: "basic", user: "me", pair: ["me", "hunTer7Xq9"] } }), { auth: { type: "basic", user: "me", pair: ["me", "[redacted]"] } }); // biome-ignore format: one thing
  assert.deepEqual(of({ secret: { deep: { deeper: new Map([["n", "letmein"]]) } } }), {
    secret: { deep: { deeper: { n: "[redacted]" } } },
  });
  assert.deepEqual(of({ token: Buffer.from("hunter2"), ids: Buffer.from([1]) }), {
    token: "[redacted]",
    ids: { type: "Buffer", data: [1] },
  });
  assert.deepEqual(of(["password", "hunTer7Xq9"]), ["password", "[redacted]"]);
  assert.deepEqual(of(["password", "username"]), ["password", "username"]);
  for (const value of [new Error("hunter2"), Symbol("hunter2"), Object("hunter2"), new URL("x:hunter2")])
    assert.doesNotMatch(valueText("password", value, true), /hunter2/);
});

test("everyday names and values of the field are never replaced", () => {
  assert.ok(everydayParams.length + everydayNames.length + everydayTexts.length > 900);
  const forms: ((name: string, value: string) => string)[] = [
    (_name, value) => value,
    (name, value) => JSON.stringify({ [name]: value }),
    (name, value) => JSON.stringify(JSON.stringify({ [name]: value })),
    (name, value) => `${name}=${value}`,
    (name, value) => `{ ${name}: '${value}' }`,
    (name, value) => `--${name} ${value}`,
  ];
  const replaced = everydayParams.flatMap(([name, value]) => [
    ...(isSecretKey(name, value) ? [name] : []),
    ...forms.map((form) => form(name, value)).filter((text) => redactText(text) !== text),
  ]);
  assert.deepEqual(
    [...replaced, ...[...everydayNames, ...everydayTexts].filter((text) => redactText(text) !== text)],
    [],
  );
});

/** Texts with `S` where the secret is; what must be left of them. */
const TEXTS: readonly (readonly [text: string, left: string])[] = [
  ['{"password":"S","lr":0.1}', '{"password":"[redacted]","lr":0.1}'],
  ['{"a": {"apiKey" : "S"}, "token": 5}', '{"a": {"apiKey" : "[redacted]"}, "token": 5}'],
  ['"{\\"password\\":\\"S\\",\\"b\\":1}"', '"{\\"password\\":\\"[redacted]\\",\\"b\\":1}"'],
  ['{"password":"{S}","token":"[\\"S\\"]"}', '{"password":"[redacted]","token":"[redacted]"}'],
  ['{"password":"S\\"S"}', '{"password":"[redacted]"}'],
  ['{"credentials":{"user":"me","x":["S"]},"b":1}', '{"credentials":"[redacted]","b":1}'],
  [
    '[{"name":"password","value":"S"},{"name":"lr","value":"0.1"}]',
    '[{"name":"password","value":"[redacted]"},{"name":"lr","value":"0.1"}]',
  ],
  ['[["authorization","S"],["accept","text"]]', '[["authorization","[redacted]"],["accept","text"]]'],
  ['["--password","S","--epochs","3"]', '["--password","[redacted]","--epochs","3"]'],
  ['["curl","-u","me:S"]', '["curl","-u","me:[redacted]"]'],
  ["{ user: 'me', password: 'S' }", "{ user: 'me', password: '[redacted]' }"],
  ["{'password': 'S', 'n': 1}", "{'password': '[redacted]', 'n': 1}"],
  ['Unexpected end of JSON input: {"password":"S', 'Unexpected end of JSON input: {"password":"[redacted]'],
  [
    "Server=db;Database=x;User Id=me;Password=S;Encrypt=true",
    "Server=db;Database=x;User Id=me;Password=[redacted];Encrypt=true",
  ],
  ["Uid=me;Pwd=S;", "Uid=me;Pwd=[redacted];"],
  ["AccountName=me;AccountKey=S==;EndpointSuffix=x", "AccountName=me;AccountKey=[redacted];EndpointSuffix=x"],
  ["train.py --password S --epochs 3", "train.py --password [redacted] --epochs 3"],
  ["train.py --api-key=S --epochs 3", "train.py --api-key=[redacted] --epochs 3"],
  ["run --token 'S S' -v", "run --token '[redacted]' -v"],
  ["DB_PASSWORD=S npm start", "DB_PASSWORD=[redacted] npm start"],
  ["export OPENAI_API_KEY='S'", "export OPENAI_API_KEY='[redacted]'"],
  ["curl -u me:S https://host/x", "curl -u me:[redacted] https://host/x"],
  ["curl --user 'me:S S' https://host/x", "curl --user 'me:[redacted]' https://host/x"],
  ["login failed with password=S, user=me", "login failed with password=[redacted], user=me"],
  ["login failed (password: S)", "login failed (password: [redacted])"],
  ["secret = S", "secret = [redacted]"],
  ["x=1&password=S&y=2", "x=1&password=[redacted]&y=2"],
  ["next%3Ftoken%3DS%26x%3D1", "next%3Ftoken%3D[redacted]%26x%3D1"],
  ["Authorization: Basic S", "Authorization: Basic [redacted]"],
  ["authorization: bearer S", "authorization: bearer [redacted]"],
  ["-H 'X-Api-Key: S' -v", "-H 'X-Api-Key: [redacted]' -v"],
  ["Cookie: theme=dark; sid=S\nAccept: x", "Cookie: [redacted]\nAccept: x"],
  ["https://host/x?token=S&page=2", "https://host/x?token=[redacted]&page=2"],
  ["https://host/x?sv=2022&sig=S", "https://host/x?sv=2022&sig=[redacted]"],
  ["/x?X-Amz-Signature=S&key=S", "/x?X-Amz-Signature=[redacted]&key=[redacted]"],
];

test("values of secret names are found in all kinds of texts, and the rest stays", () => {
  for (const [text, left] of TEXTS)
    for (const secret of ["hunter2", "s3cret-Xy9", "P@$$w0rd", "00000000x"]) {
      const given = text.replaceAll("S", (_all, at: number) => (/[A-Za-z]/.test(text[at + 1] ?? "") ? "S" : secret));
      assert.equal(redactText(given), left, given);
      assert.equal(redactText(left), left);
      const stored = valueText("note", { text: given, list: [given] }, true);
      assert.ok(!stored.includes(secret) && JSON.parse(stored).list.length === 1, stored);
    }
});

test("secrets are found in all forms that programs, tools and errors print", () => {
  for (const [text, left] of secretTexts)
    for (const secret of [
      "hunTer7Xq9",
      "Zq8kP2vTm4",
      ...(left === undefined ? [] : ["s3cret-Xy9", "P@$$w0rd", "00000000x", "hunter2"]),
    ]) {
      const given = text.replaceAll("§", () => secret);
      const shown = redactText(given);
      assert.ok(!shown.includes(secret), `${given}: ${shown}`);
      if (left !== undefined) assert.equal(shown, left, given);
      assert.equal(redactText(shown), shown, given);
      const json = redactText(JSON.stringify({ text: given, list: [given, 1] }));
      assert.ok(!json.includes(secret) && JSON.parse(json).list.length === 2, json);
    }
});

test("JSON stays JSON, and what was replaced stays replaced", () => {
  const random = new Random(7);
  const parts = ["password", "token", "cookie", "x_token", "name", "lr", "=", ": ", " ", "'", ",", "{", "[", "https://", "me:", "@host", "/", "?", "&", "#", "--", "-u ", "a1", "hunter2", ";", "\n", "Bearer ", "<password>", "</password>", "mysql -p", "x login -p ", "password ", " is ", "|", "@tcp(", "@h:5432", "://hooks.h/", "%3A%2F%2F", "%40", "Digest a=", '"', "login me ", "set api_key ", "[", "密码"]; // biome-ignore format: one list
  for (let i = 0; i < 10_000; i++) {
    const text = Array.from({ length: 1 + random.below(9) }, () => random.pick(parts)).join("");
    const value = {
      note: text,
      list: [text, ["lr", text], [["password", text]]],
      [random.pick(["password", "lr"])]: text,
      "last one": text,
    };
    for (const json of [
      JSON.stringify(value),
      valueText("options", value, true),
      JSON.stringify({ inner: `curl "${text}" -v` }),
    ]) {
      const left = redactText(json);
      assert.doesNotThrow(() => JSON.parse(left), `${json}\n${left}`);
      assert.equal(redactText(left), left, json);
    }
  }
});

test("sentences about tokens and passwords are not secrets", () => {
  for (const text of [
    "Unexpected token: <",
    "SyntaxError: Unexpected token '<', \"<!DOCTYPE \"... is not valid JSON",
    "Invalid token: expected a string",
    "password: must be at least 8 characters",
    "pass: 3 of 5",
    "Access denied for user 'me'@'host' (using password: YES)",
    "password?: string; token: string",
    "Token: the smallest unit of a text",
    "token=5, tokens=100",
    "python -u train.py --tokenizer bert",
    "docker run -u 1000:1000 image",
    "see http://host:5000, or ask ops@corp.org",
    "2024-11-25T10:00:00 connect to redis at cache:6379",
  ])
    assert.equal(redactText(text), text);
});

test("finds secrets beside their names, in lists and in an HTTP client's error", () => {
  const given = {
    headers: [{ name: "X-Api-Key", value: "hunter2" }, { key: "authorization", value: "hunter2" }, { Name: "Password", Value: "hunter2" }],
    pairs: [["authorization", "hunter2"], ["accept", "text/html"]],
    argv: ["node", "--password", "hunter2", "--epochs", "3"],
    curl: ["-u", "me:hunter2"],
    raw: ["Host", "h", "X-Api-Key", "hunter2", "authorization", "hunter2"],
    map: new Map<string, unknown>([["passcode", "hunter2"], ["n", 1]]),
    labels: ["password", "username"],
    config: {
      url: "https://me:hunter2@host/x?token=hunter2",
      headers: { Authorization: "Bearer hunter2", "X-Auth-Token": "hunter2" },
      auth: { username: "me", password: "hunter2" },
      params: { api_key: "hunter2" },
      data: '{"password":"hunter2","lr":1}',
    },
    request: { _header: "POST /x HTTP/1.1\r\nAuthorization: Basic hunter2\r\nHost: h\r\n\r\n" },
  }; // biome-ignore format: read as a table
  const text = redactText(valueText("error", given, true));
  assert.doesNotMatch(text, /hunter2/);
  const left = JSON.parse(text);
  assert.deepEqual(left.labels, given.labels);
  assert.deepEqual(left.pairs[1], given.pairs[1]);
  assert.deepEqual(left.argv.slice(3), ["--epochs", "3"]);
  assert.deepEqual([left.headers[0].name, left.config.auth.username, left.map.n], ["X-Api-Key", "me", 1]);
  assert.equal(left.config.data, '{"password":"[redacted]","lr":1}');
});

const ODD_PASSWORDS = ["a#b", "a/b", "a?b", "#", "/x/y?z#", "a@b", "a@b/c#d", "p%23w", "a:b", "a\\b", "12#b", "[a]", "{a}", "ä€", "a b", 'a"b', "a'b", "a<b>", "a&b=c"]; // biome-ignore format: one list

test("a URL's credentials are hidden, even if no parser sees them", () => {
  for (const scheme of ["postgres", "postgresql+psycopg2", "https", "mongodb+srv", "jdbc:mysql"])
    for (const password of ODD_PASSWORDS)
      for (const text of [
        `${scheme}://me:${password}@h.org/db`,
        `failed: ${scheme}://me:${password}@h.org:5432/db?x=1 (5 tries)`,
      ]) {
        const shown = redactText(text);
        // A port and then a path is what a URL without credentials has.
        if (password !== "12#b") assert.equal(shown, text.replace(`me:${password}`, "[redacted]"), text);
        assert.equal(redactText(shown), shown);
      }
  for (const stays of [
    "https://host/a@b",
    "https://host:8080/a@b?mail=a@b.org#x@y",
    "http://[::1]:5000/a@b",
    "ssh://git@host/org/repo.git",
    "git+ssh://git@github.com/org/repo.git#v1",
    "https://git@github.com/org/repo",
    "abfss://container@account.dfs.core.windows.net/x",
    "s3://bucket/key@v1",
    "https://host/x?page=2&q=a@b.org",
    "git@github.com:org/repo.git",
  ])
    assert.equal(redactText(stays), stays);
  assert.equal(redactText("https://ghp@host/x"), "https://[redacted]@host/x");
});

test("a tracking URI is shown without query values and whatever precedes its last @", () => {
  for (const before of [
    "http://me:",
    "http:/me:",
    "http:me:",
    "htp:\\\\me:",
    "me:",
    "postgresql://me:",
    "://me:",
    "http//me:",
  ])
    for (const password of ODD_PASSWORDS) {
      const shown = shownUri(`${before}${password}@host.org:5000/x?token=abc`);
      assert.match(shown, /\[redacted\]@host\.org:5000\/x\?/);
      assert.doesNotMatch(shown, /abc/);
      if (password.length > 1) assert.ok(!shown.includes(password), shown);
    }
  for (const stays of [
    "http://host:5000/x",
    "sqlite:////home/me@corp/mlflow.db",
    "memory:",
    "./mlruns",
    "http://h:5000/#/experiments/1",
  ])
    assert.equal(shownUri(stays), stays);
  for (const stays of ["own:/data/me@corp/runs.jsonl", "own:./me@corp/runs", "own:C:\\me@corp\\runs"])
    assert.equal(shownUri(stays), stays);
  for (const hides of [
    "own://me@corp/runs",
    "own:/me:hunter2@corp",
    "own:me@corp",
    "postgresql:/me@corp",
    "http:/me@corp",
  ])
    assert.match(shownUri(hides), /^[a-z]+:\/*\[redacted\]@corp/);
  assert.equal(shownUri("sqlite:///x.db?mode=ro&key=abc"), "sqlite:///x.db?mode=[redacted]&key=[redacted]");
  assert.equal(shownUri("http://host?abc"), "http://host?[redacted]");
});

test("service keys are recognised by their shape, and similar names stay", () => {
  const random = "a1B2c3D4e5F6g7H8i9J0";
  for (const secret of [`sk-${random}${random}`, `sk-proj-${random}-${random}_x`, `sk-ant-api03-${random}-AA`, `eyJ${random}.eyJ${random}.${random}`, `eyJ-x.${random}.eyJ${random}.${random}.x`, `Basic ${Buffer.from("me:hunter2").toString("base64")}`]) // biome-ignore format: one list
    assert.equal(redactText(`before ${secret}`), "before [redacted]", secret);
  for (const name of [
    "sk-learn-RandomForestClassifier100",
    "eyJustAName.of.something",
    "Basic ResNet50-finetune-lr1e-3",
  ])
    assert.equal(redactText(name), name);
});

/** Texts that an expression with nested repetition chokes on, by a part that is repeated. */
const HOSTILE = [
  "a", "0123456789abcdef", " ", "\n", "\\", '"', "'", "=", ":", "&", "?", "@", "-", "--", "<", "{", "[", "/", ".", "_", ",", ", a",
  "eyJ-", "eyJ.", "eyJabcdefgh.", "sk-", "sk-a", "SG.", "ghp_", "basic ", "bearer ", "bearer aaaa", "-----BEGIN PRIVATE KEY-----", "xox",
  "://", "://a", "://a:", "://a@", "http://a:b ", "://a:b c", ":\\/\\/", "?a=", "?token=", "&token", "password", "password=", "password: ",
  'password="', "password='", 'password=\\"', '"password":{', '"token":[', '"password":"\\', "x_token=", 'x_token="', "token=<", 'token="<',
  "token.", "a.token.", "password=a,", "--password ", "--password", "-u ", "-u a:", '"name":"password",', '[["password",', "cookie: a=", "authorization: digest ",
  "<password>", "<password>a", "</password>", "<a ", "<![CDATA[", "mysql -p", "mysql ", "mysqlmysql", "login ", "a login -p", "docker", "redis-cli", "set key", "set ", "setkey", "echo ", "echo a|", "jdbc:oracle:thin:a/", "sqlplus ",
  "a:a@", "a:", ":a@a.", "a:b@a.a", ":@", "://hook", "://hooks/", "hook/", "://a/hooks", "%3A%2F%2F", "%3A%2F%2Fa%40", "%253A", "12345678:", "bot1234567:a", "is ", "password is ", "password ", "password|", "|",
  "authorization: a b=", 'authorization: digest a="', "密码", "密码=", "ä", "[\"password\",", '["a","', "name=password value=", "name: a\n", "token=[", "token={", '"token":{"a":', "token: Bearer ", "sk-a_", "gsk_", "hvs.", "AKIA",
  "token.type.", "Token", "secret secret ", "\x1b[", "\x1b]", "\x9d", "\x1b", "pwd=1;", "%3D", "password%3D",
]; // biome-ignore format: one list

test("time is in proportion to the text, whatever it contains", () => {
  /** Processor time, which other programs take nothing of. */
  const cost = (texts: readonly string[]): number => {
    const began = process.cpuUsage();
    for (const text of texts) {
      shownUri(text);
      redactText(text);
      isSecretKey(text, text);
    }
    const { user, system } = process.cpuUsage(began);
    return 500 + user + system; // in microseconds; what takes half a millisecond is quick
  };
  const slow: string[] = [];
  for (const part of HOSTILE) {
    const of = (length: number): string => `password ${part.repeat(length / part.length)} https://me:hunter2@host/x`;
    const [long, pieces] = [of(40_000), Array.from({ length: 8 }, () => of(5_000))];
    // One text costs as much as eight of an eighth; quadratic, it would be eight times as much. Once, and where that is
    // too much the median of five, should something have come between.
    const ratio = (times: number): number =>
      Array.from({ length: times }, () => cost([long]) / cost(pieces)).sort((a, b) => a - b)[times >> 1] ?? 0;
    if (![1, 5, 5, 5].some((times) => ratio(times) <= 2)) slow.push(part);
  }
  assert.deepEqual(slow, []);
});
