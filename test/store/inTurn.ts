/** Each call goes to the next of several services, as those of several processes do; what is no method is that of the first. */
export const inTurn = <Service extends object>(...services: readonly [Service, ...ReadonlyArray<Service>]): Service => {
  let calls = 0
  return new Proxy(services[0], {
    get: (first, name, receiver) => {
      const method: unknown = Reflect.get(first, name, receiver)
      if (typeof method !== "function") return method
      return (...input: ReadonlyArray<unknown>) => {
        const next = services[calls++ % services.length]!
        return Reflect.apply(Reflect.get(next, name) as (...input: ReadonlyArray<unknown>) => unknown, next, input)
      }
    }
  })
}
