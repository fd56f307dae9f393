// What the methods of these tests return.

export interface Result {
  loss: number;
  ok: boolean;
  count: bigint;
  maybe?: number;
  final: { loss: number; deep: { acc: number } };
  curve: number[];
  points: { x: number }[];
  name: string;
}
export declare const result: Result;

/** Wide and recursive: its paths could not all be spelled out. */
export interface Tree {
  value: number;
  children: Tree[];
  left?: Tree;
  right?: Tree;
  a?: Record<string, Tree>;
  b?: Tree;
  c?: Tree;
  d?: Tree;
  e?: Tree;
  f?: Tree;
  g?: Tree;
  h?: Tree;
  i?: Tree;
  j?: Tree;
  k?: Tree;
  l?: Tree;
  m?: Tree;
  n?: Tree;
  o?: Tree;
  p?: Tree;
}
