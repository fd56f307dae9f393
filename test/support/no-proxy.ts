/**
 * What Python's client does with an entry of NO_PROXY: which of the targets it reaches without the proxy.
 * `e2e/no-proxy.test.ts` asks it.
 */
export const BYPASSED: readonly (readonly [entries: string, targets: string])[] = [
  ["127.0.0.0/8", "127.0.0.1:5000"],
  ["127.0.0.1/32", "127.0.0.1:5000"],
  [" 127.0.0.0/8 ", "127.0.0.1:5000"],
  ["10.0.0.0/8", "10.1.2.3:5000"],
  ["10.1.2.3", "10.1.2.3:5000"],
  ["127.0.0.1", "127.0.0.1:5000"],
  ["::1", "[::1]:5000"],
  ["::1:5000", "[::1]:5000"],
  ["localhost", "localhost:5000"],
  ["LOCALHOST", "localhost:5000"],
  ["localhost:5000", "localhost:5000"],
  ["example.com", "mlflow.example.com:5000 example.com:5000"],
  [".EXAMPLE.com", "mlflow.example.com:5000 example.com:5000"],
  ["mlflow.example.com:5000", "mlflow.example.com:5000"],
  ["mlflow.example.com:1", ""],
  ["com", "mlflow.example.com:5000 example.com:5000 notexample.com:5000"],
  ["127.0.0.0/0", ""],
  ["127.0.0.1/33", ""],
  ["127/8", ""],
  ["127.0.0.0/255.0.0.0", ""],
  ["127.0.0", ""],
  ["127.*", ""],
  ["ample.com", ""],
  ["::/0", ""],
  ["0.0.0.0/0", ""],
  ["http://example.com", ""],
];
/** Where it would use the proxy: ranges of IPv6, and what curl and others know. */
export const BYPASSED_BESIDES: typeof BYPASSED = [
  ["::1/128", "[::1]:5000"],
  ["[::1]/128", "[::1]:5000"],
  ["fd00::/8", "[fd00::1]:5000"],
  ["[::1]", "[::1]:5000"],
  ["127.0.0.1:5000", "127.0.0.1:5000"],
  ["*.example.com", "mlflow.example.com:5000 example.com:5000"],
];
export const TARGETS: readonly string[] =
  "127.0.0.1:5000 10.1.2.3:5000 [::1]:5000 [fd00::1]:5000 localhost:5000 mlflow.example.com:5000 example.com:5000 notexample.com:5000".split(
    " ",
  );
