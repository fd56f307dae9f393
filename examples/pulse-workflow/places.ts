/** The experiment of the workflow and its steps: MLflow shows runs below their parent only within one experiment. */
export const EXPERIMENT = "PulseWorkflow";

// What one step stores and another one reads, by its path among the run's files.
export const KNOWN_FILE = "data/known.csv";
export const UNSEEN_FILE = "data/unseen.csv";
export const WEIGHTS_FOLDER = "weights";
export const CONFUSION_FILE = "confusion.svg";
