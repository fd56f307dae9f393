import { contextContract } from "../contract/context-contract.js";

contextContract();
