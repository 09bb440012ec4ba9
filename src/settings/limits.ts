/** Bounds that no flag moves, each with its reason. A setting's own bounds stand in its table. */
import { KIB, MIB, SECOND } from "../http/units.ts";

export const limits = {
  /** Field lines in a head, and in a trailer section. Apache's LimitRequestFields; a browser sends about 15. */
  fieldsMax: 100,
  /** Empty lines skipped before a request line (RFC 9112 §2.2); some old clients send one after a body. */
  emptyLinesMax: 4,
  /** Bytes of content that is read only to be discarded, so that the connection can persist; more than this closes it. */
  unwantedBodyBytesMax: MIB,
  /**
   * Milliseconds without a byte after which the rest of a refused request's content is no longer waited for: nginx's lingering_timeout.
   * Node's client sends nothing more of a piped content after an early response, and its process runs until the connection ends.
   */
  restSilenceMs: 5 * SECOND,
  /** Milliseconds a closing connection waits for more bytes, or the peer's own FIN: one retransmission on a slow link. */
  lingerMs: 2 * SECOND,
  /** Milliseconds it waits in all: a client that sends its whole upload before it reads gets the refusal (RFC 9112 §9.6). */
  lingerTotalMs: 10 * SECOND,
  /** Bytes it reads and discards meanwhile; a quarter of a second's work on loopback. */
  lingerBytesMax: 256 * MIB,
  /** Peers above the cap of connections that are told the reason at the same time; the others are cut off. */
  farewellsMax: 16,
  /** Milliseconds a new or recently used connection gets for a request on its way when a signal ends the server. */
  shutdownGraceMs: 250,
  /** Connections at once without `--max-connections`. A hostile one takes 40 KiB, and a container may allow a million. */
  connectionsUnaskedMax: 50_000,
  /** Received bytes that may wait for the end of a response: some dozens of pipelined requests. */
  receiveBytesMax: 64 * KIB,
  /** Bytes of request content in memory over all connections: a dozen uploads of the default size at the same time. */
  bodyMemoryBytesMax: 128 * MIB,
  /**
   * Bytes held over all connections while they wait for their peers: responses in memory that are not read, requests that are not
   * complete. Beyond it the largest lenders are cut. A connection that pipelines and does not read has 25 KiB of it.
   */
  peerMemoryBytesMax: 48 * MIB,
  /** Bytes read from a file at a time; the fastest size measured for large files, and the most a slow client costs. */
  sliceBytes: 256 * KIB,
  /** Bytes of the smallest file content that is sent by `sendfile`: at 128 KiB it costs what a copy costs, at 256 KiB 0.77 of that. */
  sendFileBytesMin: 256 * KIB,
  /** Bytes of such a file that are copied where a write is needed: with the head, so that it fills its packets, and after a full kernel. */
  sendFileProbeBytes: 16 * KIB,
  /**
   * Milliseconds for which a file in memory is used without a look at the disk, in a flood. Below thousands of requests a second
   * the disk is asked each time. In a flood over 2,000 files, 100 ms would mean 17,000 looks a second and a sixth more CPU for
   * each answer; a second means 4,400.
   */
  fileCacheAgeMs: SECOND,
  /** Bytes of compressed contents of files behind links, which are not hot files: some dozens of scripts. */
  codedCopiesBytesMax: 8 * MIB,
  /** Bytes of the operator's own fields on every response: half of what clients take in a whole head by default (Node: 16 KiB). */
  extraFieldsBytesMax: 8 * KIB,
  /** Bytes of an error page: it leaves in one write, and is kept with each of the fields that it is sent with. */
  errorPageBytesMax: 64 * KIB,
  /** Entries on one page of a listing: about 500 KB, described and sorted in some milliseconds. Further ones are on further pages. */
  listingEntriesMax: 2000,
  /**
   * Size of a folder in the file system, in bytes, beyond which it is not listed. All names are in memory at once, and this
   * is a million of them on ext4, in 100 MB.
   */
  listingFolderBytesMax: 32 * MIB,
  /** Size of a folder beyond which only one such folder is read at a time: thirty thousand names on ext4. */
  listingSharedBytesMax: MIB,
  /**
   * Entries found before an archive is sent. If there are no others, its length is known and announced. They are described in some 50 ms,
   * and take half a megabyte.
   */
  archiveKnownEntriesMax: 2000,
  /** Requests on one connection of HTTP/1 without `--max-requests`: the habit of Apache and of the seeds. */
  requestsUnaskedMax: 100,
  /** Requests on one connection of HTTP/2 without `--max-requests`: a page and all its files come on one, so this is ten times nginx's bound. */
  http2RequestsUnaskedMax: 10_000,
  /** Streams of one connection at the same time; RFC 9113 §6.5.2 recommends no fewer. Further ones are refused. */
  http2StreamsMax: 100,
  /** Bytes that a client may send on one stream ahead of the handler: a second on a link of 8 Mbit/s, or 10 ms on one of 800. */
  http2StreamWindowBytes: MIB,
  /** Bytes that it may send so on all streams together: sixteen uploads at full speed. It bounds the memory for content that no handler takes. */
  http2WindowBytes: 16 * MIB,
  /** Milliseconds after an early response until the rest of a large request is cut off. curl 7.88 loses a response whose stream is reset at once. */
  http2RestMs: SECOND,
  /** Bytes of a field block in several frames, compressed; at least twice `--max-header`. More than that is refused without being decoded. */
  http2BlockBytesMax: 64 * KIB,
  /** CONTINUATION frames of one field block; a client that fills its frames needs four. */
  http2ContinuationsMax: 64,
  /**
   * Work of one connection before others have their turn, in frames without content. That is 100 requests with little in their heads, a
   * million bytes of DATA in full frames, or two field blocks of 16 KiB.
   */
  http2TurnWork: 640,
  /** Milliseconds of such work: a request that opens a file takes a hundred times as long as one that is answered from memory. */
  http2TurnMs: 1,
  /** Streams that are reset, in a row; a fifth of it each second. A browser that leaves a page resets a hundred. */
  http2ResetsMax: 250,
  /** SETTINGS frames in a row; a tenth of it each second. A client sends one or two. */
  http2SettingsMax: 100,
  /** PING frames in a row; a tenth of it each second. gRPC sends one for each round trip. */
  http2PingsMax: 1000,
  /** Frames in a row that change nothing; a tenth of it each second. Clients of RFC 7540 send one PRIORITY for each request. */
  http2IdleFramesMax: 1000,
  /** Frames in a row that the client's windows have made tiny, or updates that widen them for nothing; a tenth of it each second. */
  http2DribblesMax: 1000,
  /** Streams whose end is remembered, to tell a late frame from a mistake: those of one moment. */
  http2ClosedStreamsMax: 200,
  /** Bytes of acknowledgements that wait for a client which does not read: a thousand of them. */
  http2ControlBytesMax: 16 * KIB,
  /** Bytes of log lines that wait for a slow reader of the log; beyond it the oldest are dropped and counted. */
  logMemoryBytesMax: 4 * MIB,
} as const;
