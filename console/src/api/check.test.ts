// A service that examines others already: how often it is asked again.

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { whenFree } from "./check";
import { ApiProblem } from "./problem";

const busy = new ApiProblem({ status: 429, detail: "too many databases are being examined" });
const refuses = (times: number, problem = busy) => {
  let left = times;
  return vi.fn(async () => {
    if (left-- > 0) throw problem;
    return "sum";
  });
};

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("asks three times more, two seconds apart, and then says so", async () => {
  const ask = refuses(3);
  const answer = whenFree(ask, new AbortController().signal);
  await vi.advanceTimersByTimeAsync(1999);
  expect(ask).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(4001);
  expect(await answer).toBe("sum");
  expect(ask).toHaveBeenCalledTimes(4);

  const never = refuses(9);
  const told = expect(whenFree(never, new AbortController().signal)).rejects.toBe(busy);
  await vi.runAllTimersAsync();
  await told;
  expect(never).toHaveBeenCalledTimes(4);
});

it("does not ask again what was refused otherwise, nor for somebody who left", async () => {
  const refused = new ApiProblem({ status: 422 });
  const once = refuses(1, refused);
  await expect(whenFree(once, new AbortController().signal)).rejects.toBe(refused);
  expect(once).toHaveBeenCalledTimes(1);

  const left = new AbortController();
  const ask = refuses(9);
  const told = expect(whenFree(ask, left.signal)).rejects.toThrow();
  left.abort();
  await vi.runAllTimersAsync();
  await told;
  expect(ask).toHaveBeenCalledTimes(1);
});
