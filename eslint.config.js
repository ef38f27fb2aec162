import js from "@eslint/js"
import tseslint from "typescript-eslint"

const clock = "Take it from Effect's Clock or DateTime, so that TestClock controls it."
const random = "Take it from Effect's Random, so that a seed controls it."
const timers = "Use Effect.sleep, Effect.schedule or Effect.yieldNow, so that TestClock controls it."
const environment = "Use Config, so that a ConfigProvider controls it."

const property = (object, names, message) => names.map((property) => ({ object, property, message }))

export default tseslint.config(
  { ignores: ["dist/", "coverage/"] },
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  js.configs.recommended,
  tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "separate-type-imports" }],
      "@typescript-eslint/no-unused-vars": [
        "error",
        { argsIgnorePattern: "^_", varsIgnorePattern: "^_", destructuredArrayIgnorePattern: "^_" }
      ],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],

      // A schema and its type share one name; typescript itself reports what is really declared twice.
      "no-redeclare": "off",
      "no-undef": "off",
      // `class X extends Context.Tag(...)<X, ...>() {}` and empty option types.
      "@typescript-eslint/no-empty-object-type": "off",
      // Effect.gen is used for its early return too, and services are records of functions without `this`.
      "require-yield": "off",
      "@typescript-eslint/unbound-method": "off",
      // `any` reaches us from phantom types and JSON.parse; no-explicit-any keeps us from adding more.
      "@typescript-eslint/no-unsafe-argument": "off",
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-call": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
      "@typescript-eslint/no-unsafe-return": "off",
      "@typescript-eslint/only-throw-error": "off",
      "@typescript-eslint/prefer-promise-reject-errors": "off"
    }
  },
  {
    files: ["src/**"],
    rules: {
      "no-restricted-imports": [
        "error",
        {
          patterns: [
            {
              regex: "^(effect|@effect/[^/]+)$",
              message: 'Import the module itself: import * as Effect from "effect/Effect".'
            }
          ]
        }
      ],
      "no-restricted-globals": [
        "error",
        ...["setTimeout", "setInterval", "setImmediate"].map((name) => ({ name, message: timers }))
      ],
      "no-restricted-properties": [
        "error",
        ...property("Date", ["now"], clock),
        ...property("performance", ["now"], clock),
        ...property("process", ["hrtime"], clock),
        ...property("Math", ["random"], random),
        ...property("crypto", ["randomUUID", "getRandomValues"], random),
        ...property("process", ["env"], environment)
      ],
      "no-restricted-syntax": [
        "error",
        { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: clock },
        { selector: "CallExpression[callee.name='Date']", message: clock }
      ]
    }
  },
  { files: ["test/**", "benchmarks/**"], rules: { "@typescript-eslint/no-explicit-any": "off" } },
  { files: ["**/*.{js,cjs,mjs}"], extends: [tseslint.configs.disableTypeChecked] }
)
