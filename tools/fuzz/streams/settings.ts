/** The limits of one simulated server with streams: small, so that a short conversation reaches every one of them. */
import type { Http2Limits } from "../../../src/http2/context.ts";
import { limits as realLimits } from "../../../src/settings/limits.ts";
import type { Random } from "../random.ts";
import { chooseSettings, type Settings } from "../simulation/settings.ts";

export interface StreamSettings extends Settings {
  readonly http2: Http2Limits;
  readonly peerMemoryBytes: number;
  /** Floods are ended after a few frames, so honest clients may be told to be calm. */
  readonly isTight: boolean;
  /** The budget is so small that those who hold memory are cut. */
  readonly isShort: boolean;
}

export function chooseStreamSettings(random: Random): StreamSettings {
  const chosen = chooseSettings(random);
  // Slices of a few bytes make an answer of 80 KB a matter of thousands of turns.
  const sliceBytes = random.pick([300, 1000]);
  const settings: Settings = {
    ...chosen,
    limits: { ...chosen.limits, sliceBytes },
    scratchBytes: chosen.scratchBytes + 2 * sliceBytes,
  };
  const isTight = random.oneIn(8);
  const bound = () => (isTight ? random.pick([1, 3, 10]) : 100_000);
  const http2: Http2Limits = {
    ...realLimits,
    ...settings.limits,
    maxHeaderBytes: 600,
    fieldsMax: 12,
    http2StreamsMax: random.pick([1, 2, 3, 5, 20]),
    http2StreamWindowBytes: random.pick([100, 1000, 5000]),
    http2WindowBytes: random.pick([65_535, 66_000, 70_000]),
    http2RestMs: random.pick([50, 1000]),
    http2BlockBytesMax: 2000,
    http2ContinuationsMax: 8,
    http2ResetsMax: bound(),
    http2SettingsMax: bound(),
    http2PingsMax: bound(),
    http2IdleFramesMax: bound(),
    http2DribblesMax: bound(),
    http2ClosedStreamsMax: random.pick([30, 100]),
    http2ControlBytesMax: random.pick([300, 16_384]),
    sliceBytes: random.pick([16_384, 65_536]),
  };
  const isShort = random.oneIn(6);
  const peerMemoryBytes = isShort ? random.pick([5000, 20_000, 60_000]) : 1 << 26;
  return { ...settings, events: 30 + random.below(170), http2, peerMemoryBytes, isTight, isShort };
}
