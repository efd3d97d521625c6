import type { Agenda } from "./agenda.ts";
import type { Machine, SimProcess } from "./cluster-sim-process.ts";
import type { Random } from "./random.ts";

/** How TCP repeats what is lost: each time it waits twice as long. */
const REPEAT_MS = 200;
/** What the kernels of both ends hold before a sender notices that nothing is taken. */
const KERNEL_BYTES = 256 * 1024;
/** After a way works again, what was held up there is sent again at some moment within this time. */
const AFTER_HEAL_MS = 1500;
/** What arrives sooner is not late. */
const QUICK_MS = 50;

export interface Weather {
  /** Of packets; each loss holds up what comes behind it on the same connection. */
  loss: number;
  delayMaxMs: number;
}

export interface HalfListener {
  received(data: unknown): void;
  drained?(): void;
  /** Once, last. */
  ended(reason: string): void;
}

export interface Listening {
  readonly owner: SimProcess;
  accept(half: Half): HalfListener;
}

export interface Dialling {
  connected(half: Half): HalfListener;
  /** `refused`: the machine answered that nobody listens. */
  failed(error: string, refused: boolean): void;
}

/** Machines, and TCP between their processes: in order, whole, late or never. Everything is drawn from the seed. */
export class SimNet {
  readonly agenda: Agenda;
  readonly random: Random;
  readonly machines: Machine[] = [];
  readonly weather: Weather = { loss: 0, delayMaxMs: 20 };
  /** By way, besides the weather. */
  readonly lossy = new Map<string, number>();
  /** By `ip:port`. */
  readonly ports = new Map<string, Listening>();
  /** By `ip:port`: whoever connects there gets no answer; connections that stand go on. */
  readonly shut = new Set<string>();
  /** When the last of what is under way arrives, unless it is held up longer. */
  latestAt = 0;
  readonly #cut = new Set<string>();
  readonly #held = new Set<Stream>();

  constructor(agenda: Agenda, random: Random) {
    this.agenda = agenda;
    this.random = random;
  }

  /** Whether packets arrive at the first try and soon, and none that was lost before is still to be sent again. */
  get isQuick(): boolean {
    const { loss, delayMaxMs } = this.weather;
    return loss === 0 && delayMaxMs <= QUICK_MS && this.latestAt < this.agenda.now + QUICK_MS;
  }

  isCut(from: string, to: string): boolean {
    return this.#cut.has(`${from}>${to}`);
  }

  /** Whether everything that is sent between the two arrives, and soon. */
  isWhole(one: string, other: string): boolean {
    const both = [`${one}>${other}`, `${other}>${one}`];
    return !both.some((way) => this.#cut.has(way) || this.lossy.has(way));
  }

  cut(from: string, to: string): void {
    if (from !== to) this.#cut.add(`${from}>${to}`);
  }

  heal(from: string, to: string): void {
    if (!this.#cut.delete(`${from}>${to}`)) return;
    for (const stream of [...this.#held])
      if (!this.isCut(stream.from, stream.to)) {
        this.#held.delete(stream);
        this.agenda.at(this.agenda.now + this.random.below(AFTER_HEAL_MS), () => stream.pump());
      }
  }

  healAll(): void {
    for (const way of [...this.#cut]) {
      const [from = "", to = ""] = way.split(">");
      this.heal(from, to);
    }
    this.lossy.clear();
    Object.assign(this.weather, { loss: 0, delayMaxMs: 20 });
  }

  holdUp(stream: Stream): void {
    this.#held.add(stream);
  }

  /** Milliseconds until a packet arrives, with what TCP repeats. */
  delay(from: string, to: string): number {
    if (from === to) return 0.1;
    const { weather, random } = this;
    const loss = Math.max(weather.loss, this.lossy.get(`${from}>${to}`) ?? 0);
    let ms = 1 + random.next() * (weather.delayMaxMs - 1);
    for (let repeatMs = REPEAT_MS; loss > 0 && random.chance(loss); repeatMs *= 2) ms += repeatMs;
    return ms;
  }

  dial(from: SimProcess, ip: string, port: number, timeoutMs: number, dialling: Dialling): void {
    const { agenda } = this;
    const until = agenda.now + timeoutMs;
    const here = from.machine.place;
    let isOver = false;
    const fail = (ms: number, error: string, refused: boolean): void =>
      agenda.at(agenda.now + ms, () => {
        if (isOver) return;
        isOver = true;
        from.do(() => dialling.failed(error, refused));
      });
    fail(timeoutMs, `no answer within ${timeoutMs / 1000} s`, false);
    const machine = this.machines.find((each) => each.ip === ip);
    if (machine === undefined) return;
    const there = machine.place;
    const asked = (): void => {
      if (isOver || agenda.now >= until || !machine.isOn || machine.ip !== ip) return;
      // The first packet is sent again until somebody answers, or nobody waits any more.
      if (this.isCut(here, there) || this.shut.has(`${ip}:${port}`)) return agenda.at(agenda.now + 1000, asked);
      const listening = this.ports.get(`${ip}:${port}`);
      const back = this.delay(there, here);
      if (this.isCut(there, here)) return agenda.at(agenda.now + 1000, asked);
      if (listening === undefined) return fail(back, "connection refused", true);
      const [near, far] = connect(this, from, listening.owner);
      // The kernel accepts, also for a process that stands still.
      listening.owner.do(() => {
        if (!far.isClosed) far.listener = listening.accept(far);
      });
      agenda.at(agenda.now + back, () => {
        if (isOver || !from.isAlive) return near.destroy();
        isOver = true;
        from.do(() => {
          near.listener = dialling.connected(near);
        });
      });
    };
    agenda.at(agenda.now + this.delay(here, there), asked);
  }
}

function connect(net: SimNet, one: SimProcess, other: SimProcess): [Half, Half] {
  const near = new Half(net, one, other);
  const far = new Half(net, other, one);
  near.peer = far;
  far.peer = near;
  return [near, far];
}

/** One direction of a connection. */
class Stream {
  readonly from: string;
  readonly to: string;
  readonly #net: SimNet;
  readonly #packets: { readonly at: number; readonly bytes: number; readonly arrive: () => void }[] = [];
  #lastAt = 0;
  bytes = 0;

  constructor(net: SimNet, from: string, to: string) {
    this.#net = net;
    this.from = from;
    this.to = to;
  }

  send(bytes: number, arrive: () => void): void {
    const { agenda } = this.#net;
    const at = Math.max(this.#lastAt, agenda.now + this.#net.delay(this.from, this.to));
    this.#lastAt = at;
    this.#net.latestAt = Math.max(this.#net.latestAt, at);
    this.bytes += bytes;
    this.#packets.push({ at, bytes, arrive });
    agenda.at(at, () => this.pump());
  }

  /** Hands over what has arrived by now. */
  pump(): void {
    for (
      let first = this.#packets[0];
      first !== undefined && first.at <= this.#net.agenda.now;
      first = this.#packets[0]
    ) {
      if (this.#net.isCut(this.from, this.to)) return this.#net.holdUp(this);
      this.#packets.shift();
      this.bytes -= first.bytes;
      first.arrive();
    }
  }

  drop(): void {
    this.#packets.length = 0;
    this.bytes = 0;
  }
}

const NOBODY: HalfListener = { received: () => {}, ended: () => {} };

/** One end of a TCP connection. */
export class Half {
  readonly owner: SimProcess;
  readonly remoteIp: string;
  peer: Half | undefined;
  isClosed = false;
  readonly #net: SimNet;
  readonly #stream: Stream;
  #listener: HalfListener | undefined;
  /** What came before anybody listened. */
  readonly #early: ((listener: HalfListener) => void)[] = [];
  #saidEnd = false;
  #isSlow = false;

  constructor(net: SimNet, owner: SimProcess, other: SimProcess) {
    this.#net = net;
    this.owner = owner;
    this.remoteIp = other.machine.ip;
    this.#stream = new Stream(net, owner.machine.place, other.machine.place);
    owner.onEnd((power) => this.#died(power));
  }

  set listener(listener: HalfListener) {
    this.#listener = listener;
    for (const tell of this.#early.splice(0)) tell(listener);
  }

  get queuedBytes(): number {
    return Math.max(0, this.#stream.bytes - KERNEL_BYTES);
  }

  /** Whether both processes run, hold this connection, and hear each other. */
  get isWhole(): boolean {
    const { peer } = this;
    if (peer === undefined || this.isClosed || peer.isClosed) return false;
    const ends = [this.owner, peer.owner];
    return ends.every((each) => each.isRunning) && this.#net.isWhole(this.#stream.from, this.#stream.to);
  }

  /** @returns false when much waits: `drained` follows. */
  send(data: unknown, bytes: number): boolean {
    if (this.isClosed || this.#saidEnd) return true;
    this.#stream.send(bytes, () => {
      this.peer?.arrived(data);
      if (!this.#isSlow || this.queuedBytes > 0) return;
      this.#isSlow = false;
      this.owner.do(() => this.#tell((listener) => listener.drained?.()));
    });
    this.#isSlow = this.queuedBytes > 0;
    return !this.#isSlow;
  }

  arrived(data: unknown): void {
    if (this.#isLost()) return;
    this.owner.do(() => {
      if (!this.isClosed) this.#tell((listener) => listener.received(data));
    });
  }

  /** Ends after what is queued; the other side follows. */
  end(): void {
    if (this.isClosed || this.#saidEnd) return;
    this.#saidEnd = true;
    this.#stream.send(0, () => this.peer?.finished());
  }

  finished(): void {
    if (this.#isLost()) return;
    this.owner.do(() => {
      if (this.isClosed) return;
      this.end();
      this.#close("the peer ended the connection");
    });
  }

  /** At once: what is under way in either direction may be lost. */
  destroy(): void {
    if (this.isClosed) return;
    this.#reset();
    this.owner.schedule(0, () => this.#tell((listener) => listener.ended("this side destroyed the connection")));
    this.isClosed = true;
  }

  wasReset(): void {
    this.owner.do(() => this.#close("the connection was reset"));
  }

  #close(reason: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#tell((listener) => listener.ended(reason));
  }

  #tell(tell: (listener: HalfListener) => void): void {
    if (this.#listener === undefined) this.#early.push(tell);
    else tell(this.#listener);
  }

  /** Whether nobody is there for what arrives: then its machine says so, if it can. */
  #isLost(): boolean {
    if (this.owner.isAlive && !this.isClosed) return false;
    if (this.owner.machine.isOn) this.#reset();
    return true;
  }

  #reset(): void {
    if (this.#net.random.chance(0.5)) this.#stream.drop();
    this.#stream.send(0, () => this.peer?.wasReset());
  }

  #died(power: "on" | "off"): void {
    if (this.isClosed) return;
    this.#listener = NOBODY;
    if (power === "on") this.#reset();
    this.isClosed = true;
  }
}
