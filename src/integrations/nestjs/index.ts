export { InjectTracker, PULSE_TRACKER, PulseMlflowModule } from "./module.js";
export type { MessageOptions, PulseMlflowOptions } from "./options.js";
