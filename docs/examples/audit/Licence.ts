/** What a licence asks of those who use a package, as far as its name tells. */

/** From the least demanding to what nobody may use. */
const classes = ["permissive", "weak copyleft", "strong copyleft", "unknown", "none"] as const

export type LicenceClass = (typeof classes)[number]

const permissive =
  /^(0BSD|AFL|Apache|Artistic-2|BlueOak|BSD|BSL-1|CC-BY-[1-4]|CC0|ISC|MIT|MIT-0|Python-2|PSF|Unlicense|WTFPL|Zlib)/i
const weak = /^(CDDL|EPL|LGPL|MPL)/i
const strong = /^(AGPL|CC-BY-SA|EUPL|GPL|OSL|SSPL)/i

const classOf = (name: string): LicenceClass => {
  if (name === "" || /^UNLICENSED$/i.test(name)) return "none"
  if (weak.test(name) || /^GPL.* WITH /i.test(name)) return "weak copyleft"
  if (strong.test(name)) return "strong copyleft"
  return permissive.test(name) ? "permissive" : "unknown"
}

const rank = (of: LicenceClass) => classes.indexOf(of)

const least = (a: LicenceClass, b: LicenceClass) => (rank(a) <= rank(b) ? a : b)
const most = (a: LicenceClass, b: LicenceClass) => (rank(a) >= rank(b) ? a : b)

/** One who may choose takes the least demanding of several licences; where all hold, the most demanding counts. */
const classify = (expression: string): LicenceClass => {
  // the innermost parentheses first, each replaced by a licence of its class
  const inner = /\(([^()]*)\)/.exec(expression)
  if (inner !== null) {
    const rest = expression.slice(inner.index + inner[0].length)
    return classify(expression.slice(0, inner.index) + representative[classify(inner[1]!)] + rest)
  }
  return expression
    .split(/ OR /i)
    .map((all) =>
      all
        .split(/ AND /i)
        .map((name) => classOf(name.trim()))
        .reduce(most)
    )
    .reduce(least)
}

const representative: { readonly [C in LicenceClass]: string } = {
  permissive: "MIT",
  "weak copyleft": "MPL-2.0",
  "strong copyleft": "GPL-3.0",
  unknown: "?",
  none: "UNLICENSED"
}

export { classes, classify }
