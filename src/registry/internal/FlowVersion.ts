/** Semantic versions: which texts are one, and which is the higher. */
import parse from "semver/functions/parse.js"
import prerelease from "semver/functions/prerelease.js"
import rcompare from "semver/functions/rcompare.js"

/** Why a text is no version: each version has one text. */
export const faultOf = (text: string): string | undefined => {
  const parsed = parse(text)
  if (parsed === null) return "it is no semantic version: write major.minor.patch, as in 1.4.0 or 2.0.0-beta.1"
  if (parsed.version === text) return undefined
  const why = parsed.build.length > 0 ? "build metadata does not tell versions apart" : "it is not in its plain form"
  return `${why}: write ${parsed.version}`
}

/** By name, and by version, the highest first. */
export const order = (
  a: { readonly name: string; readonly version: string },
  b: { readonly name: string; readonly version: string }
): number => (a.name === b.name ? rcompare(a.version, b.version) : a.name < b.name ? -1 : 1)

/** Of those that have the highest first: the first that is no pre-release, or the first when there are only those. */
export const latest = <A extends { readonly version: string }>(highestFirst: ReadonlyArray<A>): A | undefined =>
  highestFirst.find(({ version }) => prerelease(version) === null) ?? highestFirst[0]
