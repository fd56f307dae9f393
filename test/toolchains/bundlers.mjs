export function* bundlers() {}
