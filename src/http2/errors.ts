/**
 * Mistakes of an HTTP/2 peer as numbers: readers return one of these codes instead of throwing. The table beside them gives, for
 * each, the error code for the wire, whether the connection ends with it, the rule that was broken, and the attack that accepting
 * it would allow.
 */
import { ERROR_CODE_NAMES } from "../http/error-codes.ts";

/** Error codes of RST_STREAM and GOAWAY (RFC 9113 §7). A peer may send any other number, which has no special meaning. */
export enum ErrorCode {
  NoError = 0x0,
  ProtocolError = 0x1,
  InternalError = 0x2,
  FlowControlError = 0x3,
  SettingsTimeout = 0x4,
  StreamClosed = 0x5,
  FrameSizeError = 0x6,
  RefusedStream = 0x7,
  Cancel = 0x8,
  CompressionError = 0x9,
  ConnectError = 0xa,
  EnhanceYourCalm = 0xb,
  InadequateSecurity = 0xc,
  Http11Required = 0xd,
}

/** Returns the RFC's name of a code; its number in hexadecimal digits, if it has no name. */
export function errorCodeName(code: number): string {
  return ERROR_CODE_NAMES[code] ?? `0x${code.toString(16)}`;
}

/** All negative: the result of a reader is > 0 consumed, 0 need more (or fine), < 0 one of these. */
export enum Http2Error {
  FrameTooLarge = -1,
  StreamIdMissing = -2,
  StreamIdUnwanted = -3,
  FrameTooShort = -4,
  PaddingTooLong = -5,
  PaddingNotZero = -6,
  PriorityLength = -7,
  ResetLength = -8,
  SettingsLength = -9,
  SettingsAckLength = -10,
  PushFromClient = -11,
  PingLength = -12,
  GoAwayLength = -13,
  WindowUpdateLength = -14,
  ConnectionWindowIncrement = -15,
  StreamWindowIncrement = -16,
  ContinuationMissing = -17,
  ContinuationUnexpected = -18,
  EnablePushInvalid = -19,
  InitialWindowTooLarge = -20,
  MaxFrameSizeInvalid = -21,
  NoPrioritiesInvalid = -22,
  PriorityUpdateLength = -23,
  PriorityUpdateStream = -24,
  BlockTruncated = -25,
  IntegerTooLarge = -26,
  IndexInvalid = -27,
  TableSizeTooLarge = -28,
  TableSizeMisplaced = -29,
  TableSizeRepeated = -30,
  TableSizeMissing = -31,
  HuffmanEos = -32,
  HuffmanPadding = -33,
  PrefaceInvalid = -34,
  SettingsExpected = -35,
  StreamIdEven = -36,
  StreamIdReused = -37,
  StreamIdle = -38,
  StreamClosed = -39,
  StreamHalfClosed = -40,
  ConnectionWindowOverflow = -41,
  StreamWindowOverflow = -42,
  ConnectionWindowExceeded = -43,
  StreamWindowExceeded = -44,
  StreamsExceeded = -45,
  SettingsTimeout = -46,
  BlockTooLarge = -47,
  TooManyContinuations = -48,
  TooManyResets = -49,
  TooManySettings = -50,
  TooManyPings = -51,
  TooManyIdleFrames = -52,
  TooManyDribbles = -53,
  TooManyUnread = -54,
  FrameTimeout = -55,
  Stalled = -56,
  PrioritiesExceeded = -57,
}

interface Http2ErrorEntry {
  /** Error code for GOAWAY or RST_STREAM. */
  readonly code: ErrorCode;
  /** True: a connection error (RFC 9113 §5.4.1). False: a stream error (§5.4.2). */
  readonly isConnection: boolean;
  /** The rule that was broken. */
  readonly section: string;
  /** One plain sentence for logs, and for the debug data of GOAWAY. */
  readonly sentence: string;
  /** Attack that accepting it would allow. */
  readonly attack: string;
}

/** Returns the table's row for a code. An unknown code is our own mistake and reads as INTERNAL_ERROR. */
export function describeHttp2Error(code: number): Http2ErrorEntry {
  return ENTRIES.get(code) ?? UNKNOWN;
}

const UNKNOWN: Http2ErrorEntry = {
  code: ErrorCode.InternalError,
  isConnection: true,
  section: "RFC 9113 §7",
  sentence: "The server has made a mistake.",
  attack: "none is known",
};

const BOUNDARY = "two readers of one connection that see different frames";
const TABLES_APART = "two compression contexts that drift apart, so that one request gets the fields of another";

const { ProtocolError, FlowControlError, FrameSizeError, CompressionError } = ErrorCode;

const ENTRIES: ReadonlyMap<number, Http2ErrorEntry> = new Map([
  // Frames
  row(
    Http2Error.FrameTooLarge,
    FrameSizeError,
    "RFC 9113 §4.2",
    "A frame is longer than SETTINGS_MAX_FRAME_SIZE allows.",
    "unbounded memory for one frame",
  ),
  row(
    Http2Error.StreamIdMissing,
    ProtocolError,
    "RFC 9113 §6",
    "A frame that belongs to a stream has stream identifier 0.",
    BOUNDARY,
  ),
  row(
    Http2Error.StreamIdUnwanted,
    ProtocolError,
    "RFC 9113 §6",
    "A frame that belongs to the connection has a stream identifier.",
    BOUNDARY,
  ),
  row(
    Http2Error.FrameTooShort,
    FrameSizeError,
    "RFC 9113 §4.2",
    "A frame is too short for the fields that its flags announce.",
    "a read behind the end of a frame",
  ),
  row(
    Http2Error.PaddingTooLong,
    ProtocolError,
    "RFC 9113 §6.1",
    "The padding of a frame is longer than its payload.",
    "a read behind the end of a frame",
  ),
  row(
    Http2Error.PaddingNotZero,
    ProtocolError,
    "RFC 9113 §6.1",
    "The padding of a frame is not zero.",
    "bytes hidden from every log and filter",
  ),
  row(
    Http2Error.PriorityLength,
    FrameSizeError,
    "RFC 9113 §6.3",
    "The payload of a PRIORITY frame is not 5 bytes long.",
    BOUNDARY,
    false,
  ),
  row(
    Http2Error.ResetLength,
    FrameSizeError,
    "RFC 9113 §6.4",
    "The payload of a RST_STREAM frame is not 4 bytes long.",
    BOUNDARY,
  ),
  row(
    Http2Error.SettingsLength,
    FrameSizeError,
    "RFC 9113 §6.5",
    "The payload of a SETTINGS frame is not a multiple of 6 bytes long.",
    BOUNDARY,
  ),
  row(
    Http2Error.SettingsAckLength,
    FrameSizeError,
    "RFC 9113 §6.5",
    "A SETTINGS frame with the ACK flag has a payload.",
    "settings that one side takes for accepted",
  ),
  row(
    Http2Error.PushFromClient,
    ProtocolError,
    "RFC 9113 §8.4",
    "A client sent a PUSH_PROMISE frame.",
    "a cache filled by the wrong side",
  ),
  row(
    Http2Error.PingLength,
    FrameSizeError,
    "RFC 9113 §6.7",
    "The payload of a PING frame is not 8 bytes long.",
    BOUNDARY,
  ),
  row(
    Http2Error.GoAwayLength,
    FrameSizeError,
    "RFC 9113 §6.8",
    "The payload of a GOAWAY frame is shorter than 8 bytes.",
    "a read behind the end of a frame",
  ),
  row(
    Http2Error.WindowUpdateLength,
    FrameSizeError,
    "RFC 9113 §6.9",
    "The payload of a WINDOW_UPDATE frame is not 4 bytes long.",
    BOUNDARY,
  ),
  row(
    Http2Error.ConnectionWindowIncrement,
    ProtocolError,
    "RFC 9113 §6.9",
    "A WINDOW_UPDATE frame of the connection has an increment of 0.",
    "work that changes nothing, without end",
  ),
  row(
    Http2Error.StreamWindowIncrement,
    ProtocolError,
    "RFC 9113 §6.9",
    "A WINDOW_UPDATE frame of a stream has an increment of 0.",
    "work that changes nothing, without end",
    false,
  ),
  row(
    Http2Error.ContinuationMissing,
    ProtocolError,
    "RFC 9113 §6.10",
    "Another frame stands within a field block, where only CONTINUATION frames of its stream may be.",
    TABLES_APART,
  ),
  row(
    Http2Error.ContinuationUnexpected,
    ProtocolError,
    "RFC 9113 §6.10",
    "A CONTINUATION frame follows no unfinished field block.",
    TABLES_APART,
  ),
  // Settings
  row(
    Http2Error.EnablePushInvalid,
    ProtocolError,
    "RFC 9113 §6.5.2",
    "SETTINGS_ENABLE_PUSH is neither 0 nor 1.",
    "a setting that two readers understand differently",
  ),
  row(
    Http2Error.InitialWindowTooLarge,
    FlowControlError,
    "RFC 9113 §6.5.2",
    "SETTINGS_INITIAL_WINDOW_SIZE is larger than 2^31 - 1.",
    "a window that wraps around",
  ),
  row(
    Http2Error.MaxFrameSizeInvalid,
    ProtocolError,
    "RFC 9113 §6.5.2",
    "SETTINGS_MAX_FRAME_SIZE is not between 2^14 and 2^24 - 1.",
    "frames so small that their heads are all the work",
  ),
  row(
    Http2Error.NoPrioritiesInvalid,
    ProtocolError,
    "RFC 9218 §2.1",
    "SETTINGS_NO_RFC7540_PRIORITIES is neither 0 nor 1.",
    "a setting that two readers understand differently",
  ),
  row(
    Http2Error.PriorityUpdateLength,
    FrameSizeError,
    "RFC 9218 §7.1",
    "The payload of a PRIORITY_UPDATE frame is shorter than 4 bytes.",
    "a read behind the end of a frame",
  ),
  row(
    Http2Error.PriorityUpdateStream,
    ProtocolError,
    "RFC 9218 §7.1",
    "A PRIORITY_UPDATE frame is about stream 0, or about a push that was not promised.",
    BOUNDARY,
  ),
  row(
    Http2Error.PrioritiesExceeded,
    ProtocolError,
    "RFC 9218 §7.1",
    "More idle streams have a priority than may be open.",
    "unbounded memory for streams that never begin",
  ),
  // Field blocks
  row(Http2Error.BlockTruncated, CompressionError, "RFC 9113 §4.3", "A field block ends within a field.", TABLES_APART),
  row(
    Http2Error.IntegerTooLarge,
    CompressionError,
    "RFC 7541 §5.1",
    "An integer of a field block is too large, or too long.",
    "a length that wraps around to a small one",
  ),
  row(
    Http2Error.IndexInvalid,
    CompressionError,
    "RFC 7541 §2.3.3",
    "A field block refers to an entry that no table has.",
    TABLES_APART,
  ),
  row(
    Http2Error.TableSizeTooLarge,
    CompressionError,
    "RFC 7541 §6.3",
    "A field block makes the dynamic table larger than SETTINGS_HEADER_TABLE_SIZE allows.",
    "unbounded memory for one connection",
  ),
  row(
    Http2Error.TableSizeMisplaced,
    CompressionError,
    "RFC 7541 §4.2",
    "The size of the dynamic table changes after the first field of a block.",
    TABLES_APART,
  ),
  row(
    Http2Error.TableSizeRepeated,
    CompressionError,
    "RFC 7541 §4.2",
    "The size of the dynamic table changes more than twice in one block.",
    "work that changes nothing, without end",
  ),
  row(
    Http2Error.TableSizeMissing,
    CompressionError,
    "RFC 7541 §4.2",
    "A field block does not begin with the new size of the dynamic table, which our settings made smaller.",
    TABLES_APART,
  ),
  row(
    Http2Error.HuffmanEos,
    CompressionError,
    "RFC 7541 §5.2",
    "A Huffman-coded string has the symbol EOS.",
    "two spellings of one string",
  ),
  row(
    Http2Error.HuffmanPadding,
    CompressionError,
    "RFC 7541 §5.2",
    "A Huffman-coded string ends with more than 7 bits of padding, or with bits that are not the start of EOS.",
    "two spellings of one string",
  ),
  // The connection and its streams
  row(
    Http2Error.PrefaceInvalid,
    ProtocolError,
    "RFC 9113 §3.4",
    "The connection does not begin with the preface of HTTP/2.",
    "another protocol spoken at this port",
  ),
  row(
    Http2Error.SettingsExpected,
    ProtocolError,
    "RFC 9113 §3.4",
    "The first frame is not SETTINGS.",
    "another protocol spoken at this port",
  ),
  row(
    Http2Error.StreamIdEven,
    ProtocolError,
    "RFC 9113 §5.1.1",
    "A client used a stream identifier that is even.",
    BOUNDARY,
  ),
  row(
    Http2Error.StreamIdReused,
    ProtocolError,
    "RFC 9113 §5.1.1",
    "A new stream has an identifier that is not above all earlier ones.",
    "a request that is taken for a part of another",
  ),
  row(
    Http2Error.StreamIdle,
    ProtocolError,
    "RFC 9113 §5.1",
    "A frame came for a stream that was never opened.",
    "work for streams that no limit counts",
  ),
  row(
    Http2Error.StreamClosed,
    ErrorCode.StreamClosed,
    "RFC 9113 §5.1",
    "A frame came for a stream that the client has ended.",
    "content behind the end of a request",
  ),
  row(
    Http2Error.StreamHalfClosed,
    ErrorCode.StreamClosed,
    "RFC 9113 §5.1",
    "A frame came for a stream that the client has ended.",
    "content behind the end of a request",
    false,
  ),
  row(
    Http2Error.ConnectionWindowOverflow,
    FlowControlError,
    "RFC 9113 §6.9.1",
    "A window of the connection would be larger than 2^31 - 1.",
    "a window that wraps around",
  ),
  row(
    Http2Error.StreamWindowOverflow,
    FlowControlError,
    "RFC 9113 §6.9.1",
    "A window of a stream would be larger than 2^31 - 1.",
    "a window that wraps around",
    false,
  ),
  row(
    Http2Error.ConnectionWindowExceeded,
    FlowControlError,
    "RFC 9113 §6.9.1",
    "More content came than the window of the connection allows.",
    "unbounded memory for content that no one reads",
  ),
  row(
    Http2Error.StreamWindowExceeded,
    FlowControlError,
    "RFC 9113 §6.9.1",
    "More content came than the window of the stream allows.",
    "unbounded memory for content that no one reads",
    false,
  ),
  row(
    Http2Error.StreamsExceeded,
    ErrorCode.RefusedStream,
    "RFC 9113 §5.1.2",
    "There are more streams at a time than SETTINGS_MAX_CONCURRENT_STREAMS allows.",
    "unbounded work for one connection",
    false,
  ),
  row(
    Http2Error.SettingsTimeout,
    ErrorCode.SettingsTimeout,
    "RFC 9113 §6.5.3",
    "The settings of this server were not acknowledged in time.",
    "a connection that never begins",
  ),
  row(
    Http2Error.BlockTooLarge,
    ErrorCode.EnhanceYourCalm,
    "RFC 9113 §10.5.1",
    "A field block is too large.",
    "unbounded memory for one request",
  ),
  row(
    Http2Error.TooManyContinuations,
    ErrorCode.EnhanceYourCalm,
    "RFC 9113 §10.5.1",
    "A field block has too many CONTINUATION frames.",
    "a field block without end (CVE-2024-27316)",
  ),
  row(
    Http2Error.TooManyResets,
    ErrorCode.EnhanceYourCalm,
    "RFC 9113 §10.5",
    "Too many streams were reset or refused.",
    "requests that cost their sender nothing (CVE-2023-44487, CVE-2025-8671)",
  ),
  row(
    Http2Error.TooManySettings,
    ErrorCode.EnhanceYourCalm,
    "RFC 9113 §10.5",
    "Too many SETTINGS frames came.",
    "acknowledgements without end (CVE-2019-9515)",
  ),
  row(
    Http2Error.TooManyPings,
    ErrorCode.EnhanceYourCalm,
    "RFC 9113 §10.5",
    "Too many PING frames came.",
    "responses without end (CVE-2019-9512)",
  ),
  row(
    Http2Error.TooManyIdleFrames,
    ErrorCode.EnhanceYourCalm,
    "RFC 9113 §10.5",
    "Too many frames came that change nothing.",
    "work that changes nothing, without end (CVE-2019-9518)",
  ),
  row(
    Http2Error.TooManyDribbles,
    ErrorCode.EnhanceYourCalm,
    "RFC 9113 §10.5",
    "The windows are too small for too many frames.",
    "frames without end for next to no content (CVE-2019-9511)",
  ),
  row(
    Http2Error.TooManyUnread,
    ErrorCode.EnhanceYourCalm,
    "RFC 9113 §10.5",
    "The client asks for responses, and does not read them.",
    "unbounded memory for frames that no one reads",
  ),
  row(
    Http2Error.FrameTimeout,
    ErrorCode.EnhanceYourCalm,
    "RFC 9113 §10.5",
    "A frame was not complete in time.",
    "a connection that is kept for nothing",
  ),
  row(
    Http2Error.Stalled,
    ErrorCode.EnhanceYourCalm,
    "RFC 9113 §10.5",
    "The client reads its responses too slowly.",
    "a response that is kept for a window which never opens",
  ),
]);

function row(
  error: Http2Error,
  code: ErrorCode,
  section: string,
  sentence: string,
  attack: string,
  isConnection = true,
): readonly [number, Http2ErrorEntry] {
  return [error, { code, isConnection, section, sentence, attack }];
}
