export function* managers() {}
