"""Builds and reads packets with scapy, as many of each as the argument says: see memory.lua."""

import logging
import sys
import time

logging.getLogger("scapy").setLevel(logging.ERROR)
try:
    from scapy.layers.inet import IP, TCP
except ImportError:
    sys.exit(77)


def build(i):
    return bytes(
        IP(src="192.0.2.1", dst="198.51.100.2", ttl=61)
        / TCP(sport=40000, dport=80, seq=i, ack=7, flags="SA", window=65535)
    )


LONG = bytes(
    IP(src="192.0.2.1", dst="198.51.100.2", ttl=61)
    / TCP(
        sport=40000,
        dport=80,
        seq=1,
        ack=7,
        flags="SA",
        options=[("MSS", 1460), ("SAckOK", b""), ("Timestamp", (1, 2)), ("NOP", None), ("WScale", 7)],
    )
)


def read(_):
    packet = IP(LONG)
    tcp = packet[TCP]
    return packet.src, packet.ttl, tcp.dport, tcp.seq, str(tcp.flags).replace("A", ".")


def measure(work, result):
    count = int(sys.argv[1])
    start = time.process_time()
    for i in range(count):
        work(i)
    print(work.__name__, (time.process_time() - start) / count * 1e9, result)


measure(build, build(1).hex() + " " + build(0x12345678).hex())
measure(read, " ".join(map(str, read(0))))
