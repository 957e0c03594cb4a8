"""Plays a URL with libvlc and without a picture or sound, and writes a line whenever frames were shown:

    shown FRAMES lost FRAMES

VLC's own program tells its position in whole seconds only; the library that it stands on counts frames.

    python3 vlc.py URL
"""

import ctypes
import sys
import time

LOOK_S = 0.05
ENDED, ERROR = 6, 7


class Stats(ctypes.Structure):
    """libvlc_media_stats_t of VLC 3.0."""

    _fields_ = [
        (name, ctypes.c_float if name.endswith("bitrate") else ctypes.c_int)
        for name in (
            "read_bytes input_bitrate demux_read_bytes demux_bitrate demux_corrupted demux_discontinuity decoded_video"
            " decoded_audio displayed_pictures lost_pictures played_abuffers lost_abuffers sent_packets sent_bytes"
            " send_bitrate"
        ).split()
    ]


def main(url):
    vlc = ctypes.CDLL("libvlc.so.5")
    for function in ("libvlc_new", "libvlc_media_new_location", "libvlc_media_player_new_from_media"):
        getattr(vlc, function).restype = ctypes.c_void_p
    options = [b"--vout=vdummy", b"--aout=adummy", b"--quiet"]
    instance = ctypes.c_void_p(vlc.libvlc_new(len(options), (ctypes.c_char_p * len(options))(*options)))
    if not instance:
        sys.exit("libvlc does not start")
    media = ctypes.c_void_p(vlc.libvlc_media_new_location(instance, url.encode()))
    player = ctypes.c_void_p(vlc.libvlc_media_player_new_from_media(media))
    vlc.libvlc_media_player_play(player)
    stats, shown = Stats(), 0
    while vlc.libvlc_media_player_get_state(player) not in (ENDED, ERROR):
        if vlc.libvlc_media_get_stats(media, ctypes.byref(stats)) and stats.displayed_pictures > shown:
            shown = stats.displayed_pictures
            print(f"shown {shown} lost {stats.lost_pictures}", flush=True)
        time.sleep(LOOK_S)
    sys.exit("playback has ended")


main(sys.argv[1])
