import * as LeaseStoreMemory from "heddle/store/LeaseStoreMemory"
import { leaseContract } from "./leaseContract.js"

leaseContract("LeaseStoreMemory", () => LeaseStoreMemory.layer())
