"""Makes real files of audio, with the encoders of FFmpeg."""

from __future__ import annotations

import io

import av

KINDS = {
    "wav": ("wav", "pcm_s16le", 16_000),
    "mp3": ("mp3", "mp3", 44_100),
    "flac": ("flac", "flac", 16_000),
    "ogg": ("ogg", "libopus", 48_000),
    "m4a": ("mp4", "aac", 44_100),
    "webm": ("webm", "libopus", 48_000),
}
FRAME_SAMPLES = 1_024


def silence(kind: str, seconds: float, channels: int = 1) -> bytes:
    """So much silence in one of `KINDS`."""
    layout = "mono" if channels == 1 else "stereo"
    container_name, codec, rate = KINDS[kind]
    file = io.BytesIO()
    with av.open(file, "w", format=container_name) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        if not isinstance(stream, av.AudioStream):
            raise TypeError(f"{codec} is no codec of audio")
        resampler = av.AudioResampler(
            stream.codec_context.format.name, layout=layout, rate=rate, frame_size=FRAME_SAMPLES
        )
        left = int(seconds * rate)
        while left > 0:
            frame = av.AudioFrame("s16", layout=layout, samples=min(left, FRAME_SAMPLES))
            frame.sample_rate = rate
            frame.planes[0].update(bytes(frame.planes[0].buffer_size))
            left -= frame.samples
            for piece in resampler.resample(frame):
                container.mux(stream.encode(piece))
        for piece in resampler.resample(None):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return file.getvalue()
