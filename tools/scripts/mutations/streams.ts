/** Broken servers of HTTP/2: the simulator with streams has to find each of them, nearly all within some hundred seeds. */
import { gone, type Mutation, swap } from "./mutation.ts";

const CONNECTION = "http2/connection.ts";
const DEPARTURE = "http2/departure.ts";
const DISPATCH = "http2/dispatch.ts";
const SENDER = "http2/sender.ts";
const STREAM = "http2/stream.ts";
const QUEUE = "http2/slot-queue.ts";

export const STREAM_MUTATIONS: readonly Mutation[] = [
  // Windows
  swap(
    DISPATCH,
    "the window of a stream is given back",
    "if (stream.isRemoteOpen && !stream.isIgnoring)",
    "if (stream.isRemoteOpen && stream.isIgnoring)",
  ),
  gone(DISPATCH, "the window of the connection is given back", "    this.#giveBack(0, this.#window.consume(bytes));\n"),
  gone("http2/flow-control.ts", "DATA is taken out of the windows", "    this.size -= count;\n"),
  swap(
    DISPATCH,
    "a new initial window moves open streams",
    "stream.sendWindow.widen(change)",
    "stream.sendWindow.widen(0)",
  ),
  swap(
    DISPATCH,
    "a smaller initial window counts",
    "const change = settings.initialWindowSize - windowBefore;",
    "const change = Math.max(0, settings.initialWindowSize - windowBefore);",
  ),
  gone(STREAM, "a frame is no larger than the peer takes", "this.#owner.frameSizeMax, this.#nextEnd", "this.#nextEnd"),
  // Slots and the queue
  gone(STREAM, "a slot is released", "    lease.release();\n"),
  swap(
    STREAM,
    "a stream that is reset gives everything back",
    "if (!this.isAnswered) exchange.abandon(reason);\n    this.#giveBack();",
    "if (!this.isAnswered) exchange.abandon(reason);",
  ),
  swap(
    QUEUE,
    "a connection has one place in the queue of the pool",
    "return this.#first !== null && !this.#first.isClosed && this.#first.exchange.phase === Phase.Waiting;",
    "return false;",
  ),
  gone(CONNECTION, "a request whose slot came last is continued", "if (this.#woken.length > 0) this.#defer();"),
  // The states of streams
  swap(
    SENDER,
    "a response ends once",
    "if (stream.isScheduled || !stream.isLocalOpen) return;",
    "if (stream.isScheduled) return;",
  ),
  swap(
    STREAM,
    "the last DATA ends the stream",
    "FrameType.Data, isLast ? FLAG_END_STREAM : 0, this.stream",
    "FrameType.Data, 0, this.stream",
  ),
  gone(SENDER, "nothing of a stream follows its reset", "      drop(this.#ring, stream);\n"),
  gone(DISPATCH, "a reset closes its stream", "    this.#owner.dropByPeer(stream);\n"),
  gone(
    DEPARTURE,
    "the last stream of GOAWAY does not grow",
    "this.#lastStream = Math.min(this.#lastStream, lastStreamId);",
    "this.#lastStream = lastStreamId;",
  ),
  // Field blocks
  gone(
    DISPATCH,
    "the encoder goes through the smallest table",
    "    if (settings.headerTableSizeMin < tableBefore) this.#owner.encoder.setLimit(settings.headerTableSizeMin);\n",
  ),
  swap(
    "http2/hpack-encoder.ts",
    "the encoder obeys the table",
    "this.#bytesMax = Math.min(bytes, TABLE_BYTES);",
    "this.#bytesMax = TABLE_BYTES;",
  ),
  swap(
    DISPATCH,
    "the block of a refused request is decoded",
    "const error = this.#skip(bytes, start, end);\n      this.#streams.close(streamId, Closed.ByUs);",
    "const error = 0;\n      this.#streams.close(streamId, Closed.ByUs);",
  ),
  // Memory
  gone(
    STREAM,
    "shared content is let go",
    "if (this.#shared !== null) peerMemory.unshare(this, this.#shared);\n    this.#shared = null;",
  ),
  gone(STREAM, "a request is taken back", "    if (request !== null) requests.takeBack(request);\n"),
  // Deadlines
  swap(
    CONNECTION,
    "the deadline of the end stands",
    "if (this.#closing.end === End.Open) this.#arm();",
    "this.#arm();",
  ),
  gone(
    CONNECTION,
    "the deadline of the settings ends with their acknowledgement",
    "    this.#waits.settingsTaken();\n",
  ),
  swap(
    STREAM,
    "content that does not come has a deadline",
    "return this.receiveWindow.isShut ? Wait.None : Wait.Body;",
    "return Wait.None;",
  ),
  gone(
    STREAM,
    "a slot that does not come has a deadline",
    "if (phase === Phase.Waiting || this.isHeldBack) return Wait.Queue;",
  ),
  // Frames of the connection
  gone(DISPATCH, "settings are acknowledged", "    writeSettingsAck(into, at);\n"),
  swap(
    DISPATCH,
    "a PING is answered by its own bytes",
    "writePingAck(into, at, bytes, start);",
    "writePingAck(into, at, bytes, start - 1);",
  ),
  swap(
    STREAM,
    "content is compared with its announced length",
    "return this.#length < 0 || (isLast ? received === this.#length : received <= this.#length);",
    "return true;",
  ),
];
