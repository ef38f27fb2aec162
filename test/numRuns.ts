/** How many cases each property runs: 50, and 1,000 in `npm run test:full`. */
export const numRuns = Number(process.env.HEDDLE_PROPERTY_RUNS)
