export function* nextApps() {}
