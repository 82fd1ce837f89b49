"""Tells how long audio is, in a process of its own: `python -m mintgate_facade.uploads.probe FD`.

Decoders are large C libraries that read what strangers send. Here they can
crash, loop or eat memory without a request of anybody else noticing: the
parent has a time limit, this process has a memory limit, and it holds nothing
worth stealing. It may open no file and no address: formats that refer to others
(playlists, concatenations) are not on the list, and no protocol is allowed.

Every frame is decoded. Lengths that headers state are the sender's word: a
Xing header, a FLAC STREAMINFO, an MP4 edit list may all say one second.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import sys
from typing import IO, Any

import av
import av.logging

MEMORY_BYTES_MAX = 2 << 30
FORMATS = "aac,ac3,aiff,amr,asf,caf,eac3,flac,matroska,mov,mp3,mpeg,mpegts,ogg,wav,w64"
"""FFmpeg's names; `matroska` reads WebM, `mov` reads MP4, M4A and 3GP, `asf` reads WMA."""
UNREAD_BITS_PER_S = 6_000
"""The lowest bit rate that speech codecs are used at (Opus, AMR, Speex). Bytes of the file
that belong to no stream are counted as audio at this rate: they may be audio to another
decoder."""
MS_PER_S = 1_000
REQUEST_BYTES = 64


def measure(file: IO[bytes], duration_max_ms: int) -> dict[str, Any]:
    """Decode every audio stream of `file` and tell the longest.

    Stops when `duration_max_ms` is passed. Returns `duration_ms`, `channels` and
    `unread_ms`, or `error` with the reason.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    options = {"format_whitelist": FORMATS, "protocol_whitelist": ""}
    try:
        with av.open(file, options=options, metadata_errors="ignore") as container:
            if not container.streams.audio:
                return {"error": "has no audio in it"}
            return _decode(container, size, duration_max_ms)
    except (av.FFmpegError, ValueError, IndexError):
        return {"error": "is not audio that can be decoded"}


def _decode(container: Any, size_bytes: int, duration_max_ms: int) -> dict[str, Any]:
    lengths_ms = dict.fromkeys((stream.index for stream in container.streams.audio), 0.0)
    channels = 1
    read_bytes = 0
    for packet in container.demux():
        read_bytes += packet.size
        index = packet.stream.index
        if index not in lengths_ms:
            continue
        for frame in _frames(packet):
            lengths_ms[index] += frame.samples * MS_PER_S / (frame.sample_rate or 1)
            channels = max(channels, frame.layout.nb_channels)
        if lengths_ms[index] > duration_max_ms:
            return {"error": f"is longer than {duration_max_ms // MS_PER_S} seconds"}
    longest = max(lengths_ms.values())
    if not longest:
        return {"error": "has no audio in it"}
    unread_ms = max(0, size_bytes - read_bytes) * 8 * MS_PER_S / UNREAD_BITS_PER_S
    # Up to a whole millisecond: what the provider bills is never less than what is heard.
    return {
        "duration_ms": int(-(-longest // 1)),
        "channels": channels,
        "unread_ms": int(-(-unread_ms // 1)),
    }


def _frames(packet: Any) -> list[Any]:
    try:
        return list(packet.decode())
    except av.FFmpegError:
        # A damaged packet is silence to one decoder and an error to another; what can be
        # decoded counts, and its bytes were read.
        return []


def main() -> None:
    """Answer requests from the parent until it goes: a file's descriptor and a bound each."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    av.logging.set_level(None)
    with socket.socket(fileno=int(sys.argv[1])) as parent:
        while True:
            request, descriptors, _, _ = socket.recv_fds(parent, REQUEST_BYTES, 1)
            if not request or not descriptors:
                return
            with os.fdopen(descriptors[0], "rb") as file:
                answer = measure(file, int(request))
            parent.sendall(json.dumps(answer).encode())


if __name__ == "__main__":
    main()
