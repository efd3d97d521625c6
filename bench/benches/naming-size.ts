import { type Bench, type Cell, round, type Scale, say, type Table } from "../lib/bench.ts";
import { Remote } from "../lib/remote.ts";
import type { Size, Sized } from "../load/naming-size.ts";

const SIZES: readonly number[] = [10_000, 100_000, 1_000_000];
const RATIO_AIM = 1.3;
const SHAPES: Record<Size["shape"], string> = { addresses: "1.x addresses", batches: "connections × batch" };

export const namingSize: Bench = {
  name: "naming-size",
  title: "Naming by the number of instances",
  method:
    "The core of naming in a process of its own for each size: memory of the JavaScript heap per instance after full " +
    "collections, and the time of one operation without network and encoding of requests. `1.x addresses` is one client " +
    "per instance, ten instances in a service; `connections × batch` is connections that publish batches of ten, and " +
    "its operations are those of a whole batch. Operations leap over the whole state, so that the memory of a large " +
    "one is not in the processor's caches; the same code has run on a small state before.",
  async run(scale: Scale): Promise<Table> {
    const sizes = scale.pick(SIZES, SIZES.slice(0, 2));
    const largest = sizes.at(-1) as number;
    const rows: Cell[][] = [];
    const over: string[] = [];
    for (const shape of Object.keys(SHAPES) as Size["shape"][]) {
      const measured: Sized[] = [];
      for (const instances of sizes)
        measured.push(await sized({ shape, instances, samples: scale.pick(50_000, 5000) }));
      const first = measured[0] as Sized;
      const line = (name: string, unit: string, digits: number, values: readonly number[]): void => {
        const ratio = round((values.at(-1) as number) / (values[0] as number), 2);
        rows.push([SHAPES[shape], name, unit, ...values.map((value) => round(value, digits)), ratio]);
        if (ratio > RATIO_AIM) over.push(`${name} (${SHAPES[shape]})`);
      };
      line(
        "memory per instance",
        "bytes",
        0,
        measured.map(({ bytesEach }) => bytesEach),
      );
      for (const [at, { name }] of first.operations.entries())
        line(
          name,
          "µs",
          2,
          measured.map(({ operations }) => operations[at]?.microseconds ?? Number.NaN),
        );
      say(`  ${shape} done`);
    }
    return {
      columns: [
        "shape",
        "operation",
        "unit",
        ...sizes.map((size) => size.toLocaleString("en-US")),
        `ratio (aim ≤ ${RATIO_AIM})`,
      ],
      rows,
      remarks:
        over.length === 0 ? [] : [`Above the aim at ${largest.toLocaleString("en-US")} instances: ${over.join(", ")}.`],
    };
  },
};

/** The median of three processes for each figure, because a collection may fall into any of them. */
async function sized(size: Size): Promise<Sized> {
  const runs: Sized[] = [];
  for (let run = 0; run < (size.instances > 100_000 ? 1 : 3); run++) {
    const remote = Remote.load("naming-size.ts", ["--expose-gc", "--max-old-space-size=6144"]);
    try {
      runs.push(await remote.call<Sized>("measure", size));
    } finally {
      await remote.end();
    }
  }
  const middle = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] as number;
  return {
    bytesEach: middle(runs.map(({ bytesEach }) => bytesEach)),
    operations: (runs[0] as Sized).operations.map(({ name }, at) => ({
      name,
      microseconds: middle(runs.map(({ operations }) => operations[at]?.microseconds ?? Number.NaN)),
    })),
  };
}
