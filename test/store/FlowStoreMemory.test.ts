import * as FlowStoreMemory from "heddle/store/FlowStoreMemory"
import { flowContract } from "./flowContract.js"

flowContract("FlowStoreMemory", () => FlowStoreMemory.layer())
