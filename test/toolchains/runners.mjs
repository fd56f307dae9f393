export function* runners() {}
