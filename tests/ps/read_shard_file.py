#!/usr/bin/env python3
"""Prints what a shard's checkpoint file of version 3 holds, by docs/checkpoint_format.md alone: no package, none of Sherd's code.

A line each: "row TABLE KEY FLOAT…" with the weights of FP32 tables, "candidate TABLE KEY COUNT", "deleted TABLE KEY",
"dense TENSOR FIRST FLOAT…" with weights and state. Frames of zstd are passed over with a line "zstd SLOT".
"""
import struct
import sys

MASK = (1 << 64) - 1
CRC_TABLE = []
for value in range(256):
    for _ in range(8):
        value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    CRC_TABLE.append(value)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 255] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def mix(x):
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def fields(data):
    """(number, value) of a protobuf message: bytes or integers."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint()
            continue
        size = {1: 8, 5: 4}.get(tag & 7) or varint()
        yield tag >> 3, data[at : at + size]
        at += size


def first(data, number, default):
    return next((value for n, value in fields(data) if n == number), default)


def read_spec(spec):
    """Names of tables with their weights a row, if FP32, and names of tensors."""
    tables, tensors = [], []
    for number, value in fields(spec):
        if number == 2:
            tensors.append(first(value, 1, b"").decode())
        if number == 1:
            floats = sum(first(segment, 2, 0) for n, segment in fields(value) if n == 2)
            fp32 = first(first(value, 3, b""), 1, 1) == 1
            tables.append((first(value, 1, b"").decode(), floats if fp32 else 0))
    return tables, tensors


def check(good, what):
    if not good:
        sys.exit(f"read_shard_file: {what}")


def floats(data):
    return " ".join(value.hex() for value in struct.unpack(f"<{len(data) // 4}f", data))


def print_block(tables, tensors, header, payload):
    table, kind, slot, rows, row_bytes = header[:5]
    if kind == 3:
        tensor, begin = struct.unpack_from("<2I", payload)
        print("dense", tensors[tensor], begin, floats(payload[16:]))
        return
    name, weights = tables[table]
    keys = struct.unpack_from(f"<{rows}Q", payload)
    check([mix(key) >> 52 for key in keys] == [slot] * rows, f"a key of another slot than {slot}")
    check(sorted(keys, key=mix) == list(keys), f"keys of slot {slot} do not ascend by hash")
    check(len(payload) == rows * (8 + row_bytes), f"a block of slot {slot} has another size")
    for i, key in enumerate(keys):
        value = payload[8 * rows + i * row_bytes : 8 * rows + (i + 1) * row_bytes]
        if kind == 0:
            print("row", name, key, floats(value[: 4 * weights]))
        elif kind == 1:
            print("candidate", name, key, struct.unpack("<I", value)[0])
        else:
            print("deleted", name, key)


def main(path):
    data = open(path, "rb").read()
    magic, version, first_slot, end_slot, delta, spec_bytes, spec_crc, crc = struct.unpack_from("<8s7I", data)
    check(magic == b"SHERDSHD" and version == 3, "not a shard's file of version 3")
    check(crc == crc32c(data[:32]), "checksum of the header")
    spec = data[36 : 36 + spec_bytes]
    check(spec_crc == crc32c(spec), "checksum of the spec")
    tables, tensors = read_spec(spec)

    end = len(data) - 40
    index_offset, all_rows, all_blocks, index_crc, contents_crc, crc, magic = struct.unpack("<2Q4I8s", data[end:])
    check(magic == b"SHERDEND" and crc == crc32c(data[end : end + 28]), "checksum of the footer")
    check(index_crc == crc32c(data[index_offset:end]), "checksum of the index")
    check(contents_crc == crc32c(data[:end]), "checksum of the contents")
    slots = end_slot - first_slot
    index = struct.unpack_from(f"<{2 * slots}Q", data, index_offset)
    counts = struct.unpack_from(f"<{3 * len(tables)}Q", data, index_offset + 16 * slots)
    check(index_offset + 16 * slots + 24 * len(tables) == end, "length of the index")

    at, blocks, found = 36 + spec_bytes, 0, [0] * len(counts)
    for slot in range(first_slot, end_slot):
        offset, size = index[2 * (slot - first_slot) : 2 * (slot - first_slot) + 2]
        check(offset == at, f"slot {slot} does not begin where the one before ends")
        while at < offset + size:
            header = struct.unpack_from("<8I", data, at)
            table, kind, of_slot, rows, _, payload_bytes, stored_bytes, crc = header
            stored = data[at + 32 : at + 32 + stored_bytes]
            check(crc == crc32c(data[at : at + 28] + stored), f"checksum of the block at byte {at}")
            check(of_slot == slot, f"a block of slot {of_slot} in slot {slot}")
            check(kind != 2 or delta == 1, "deleted keys in a full file")
            if kind < 3:
                found[3 * table + kind] += rows
            if stored_bytes < payload_bytes:
                print("zstd", slot)
            else:
                print_block(tables, tensors, header, stored)
            at += 32 + stored_bytes
            blocks += 1
    check(at == index_offset and blocks == all_blocks, "number of blocks")
    check(tuple(found) == counts and sum(counts[::3]) == all_rows, "counts of rows")


main(sys.argv[1])
