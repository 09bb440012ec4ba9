/**
 * A socket as the kernel might treat it: takes what it has room for, tells of room later or never, dies. Judges whoever uses
 * it: nothing is written after FIN, close or failure, and nothing is offered again before there is room.
 */
import type { Transport } from "../../../src/exchange/transport.ts";
import type { Random } from "../random.ts";
import { fileBytes } from "./source.ts";

/** The client at the other end. */
export interface Peer {
  /** The kernel took bytes[offset, offset + length). */
  accepted(bytes: Uint8Array, offset: number, length: number): void;
  /** A part of a file is about to be accepted. */
  fileSent(): void;
  /** The server sends FIN by `shutdown`, or by `end` without one before it. */
  finSent(): void;
  /** The server closes both directions in order; `hadFin`: it had sent FIN in an earlier call. */
  ending(hadFin: boolean): void;
  /** The server closes with a reset. */
  resetting(): void;
  /** Both directions are closed; told before the call that closes returns, as Bun does. */
  closed(): void;
  fail(sentence: string): void;
}

export class SimulatedTransport implements Transport {
  readonly #peer: Peer;
  readonly #random: Random;
  /** Bytes that the kernel takes. */
  room: number;
  /** The kernel took less than it was offered and has not told of room since. */
  isBlocked = false;
  /** Bytes of the last write that the kernel did not take. */
  leftBytes = 0;
  isPaused = false;
  isFinished = false;
  isClosed = false;
  /** The connection is gone, and the server has not been told. */
  isDead = false;
  #hasFailed = false;

  constructor(peer: Peer, room: number, random: Random) {
    this.#peer = peer;
    this.room = room;
    this.#random = random;
  }

  write(bytes: Uint8Array, offset: number, length: number): number {
    const peer = this.#peer;
    if (this.isClosed) peer.fail("written after the close");
    else if (this.isFinished) peer.fail("written after FIN");
    else if (this.#hasFailed) peer.fail("written after a failed write");
    else if (this.isBlocked) peer.fail("offered again before the kernel had room");
    if (length <= 0 || offset < 0 || offset + length > bytes.length) {
      peer.fail(`offered ${length} bytes from ${offset} of ${bytes.length}`);
    }
    if (this.isDead || this.isClosed) {
      this.#hasFailed = true;
      return -1;
    }
    const taken = Math.min(length, this.room);
    this.room -= taken;
    this.isBlocked = taken < length;
    this.leftBytes = length - taken;
    peer.accepted(bytes, offset, taken);
    return taken;
  }

  /** Takes any part of what there is room for, or nothing at all; tells of room only after a `write`. */
  sendFile(descriptor: number, offset: number, count: number): number {
    const peer = this.#peer;
    if (this.isClosed) peer.fail("a file is sent after the close");
    else if (this.isFinished) peer.fail("a file is sent after FIN");
    else if (this.isBlocked) peer.fail("a file is offered again before the kernel had room");
    if (count <= 0 || offset < 0) peer.fail(`offered ${count} bytes of a file from ${offset}`);
    if (this.isDead || this.isClosed || this.#random.oneIn(8)) return -1;
    const bytes = fileBytes(descriptor, offset, Math.min(count, this.room));
    if (bytes === null) {
      peer.fail("a file is sent that is not open");
      return -1;
    }
    const taken = this.#random.oneIn(3) ? this.#random.below(bytes.length + 1) : bytes.length;
    this.room -= taken;
    if (taken > 0) peer.fileSent();
    peer.accepted(bytes, 0, taken);
    return taken;
  }

  pause(): void {
    if (this.isPaused) this.#peer.fail("paused twice");
    this.isPaused = true;
  }

  resume(): void {
    if (!this.isPaused) this.#peer.fail("resumed without a pause");
    this.isPaused = false;
  }

  shutdown(): void {
    if (this.isFinished || this.isClosed) {
      this.#peer.fail("FIN sent twice");
      return;
    }
    this.#peer.finSent();
    this.isFinished = true;
  }

  end(): void {
    if (this.isClosed) {
      this.#peer.fail("closed twice");
      return;
    }
    const hadFin = this.isFinished;
    if (!hadFin) this.#peer.finSent();
    this.#peer.ending(hadFin);
    this.isFinished = true;
    this.close();
  }

  terminate(): void {
    if (this.isClosed) {
      this.#peer.fail("reset after the close");
      return;
    }
    this.#peer.resetting();
    this.close();
  }

  /** The socket is closed, by whichever side. */
  close(): void {
    this.isClosed = true;
    this.#peer.closed();
  }
}
