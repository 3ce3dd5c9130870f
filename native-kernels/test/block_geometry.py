#!/usr/bin/env python3
"""Writes block-geometry.csv: which key blocks a query block looks at, token by token, straight from the definition.

    block_geometry.py > block-geometry.csv

Query row r has position seqlen_k - seqlen_q + r. Key block j holds the permuted keys from j * block_size. Keys are
permuted inside complete segments only, so that a block never leaves its segment. The last segment may be incomplete.
Java, C++ and CUDA have the same numbers as formulas; their tests read the table.
"""

COLUMNS = (
    "seqlen_q,seqlen_k,block_size,segment_size,min_length,window,is_dense,"
    "q_block,first_block,candidates_end,visible_end,causal_blocks"
)


def rows_of(seqlen_q, seqlen_k, block, segment, min_length, window):
    is_windowed = 0 < window < seqlen_k
    is_single = seqlen_k <= segment
    is_dense = is_single or is_windowed or seqlen_k < min_length
    k_blocks = [range(j, min(j + block, seqlen_k)) for j in range(0, seqlen_k, block)]
    for i, begin in enumerate(range(0, seqlen_q, block)):
        queries = [seqlen_k - seqlen_q + r for r in range(begin, min(begin + block, seqlen_q))]
        candidates, own = [], []
        for j, keys in enumerate(k_blocks):
            start = keys[0] // segment * segment
            end = min(start + segment, seqlen_k)  # of the segment
            if is_windowed:
                # Nothing is permuted: a query sees the `window` keys up to its own.
                if keys[0] <= queries[-1] and keys[-1] > queries[0] - window:
                    own.append(j)
            elif is_single:
                own.append(j)
            elif all(key < queries[0] for key in (start, end - 1)):
                candidates.append(j)
            elif start <= queries[-1]:
                own.append(j)
        seen = candidates + own
        assert seen == list(range(seen[0], seen[-1] + 1)), "the blocks of a row lie side by side"
        yield (int(is_dense), i, seen[0], seen[0] + len(candidates), seen[-1] + 1, len(seen))


def cases():
    lengths = (1, 127, 128, 129, 255, 256, 257, 300, 511, 513, 700, 1024, 1300)
    for seqlen_k in lengths:
        for seqlen_q in sorted({1, 100, 128, 129, 256, 257, seqlen_k - 1, seqlen_k}):
            if not 0 < seqlen_q <= seqlen_k:
                continue
            for segment in (128, 256, 512):
                yield seqlen_q, seqlen_k, 128, segment, 0, 0
            for window in (1, 129, 300):
                yield seqlen_q, seqlen_k, 128, 256, 0, window
            yield seqlen_q, seqlen_k, 128, 256, 600, 0
    for seqlen_q, seqlen_k, block, segment in (
        (1, 1, 1, 1), (9, 9, 1, 3), (5, 23, 4, 8), (23, 23, 8, 8), (331, 331, 50, 100), (77, 331, 50, 150),
        (20, 20, 8, 16), (350, 350, 64, 256), (640, 700, 64, 128), (33, 700, 32, 64), (700, 700, 512, 1024),
        (513, 1030, 512, 512),
    ):  # fmt: skip
        for window in (0, 1, block - 1, block, block + 1, seqlen_k - 1, seqlen_k, seqlen_k + 1):
            if window >= 0:
                yield seqlen_q, seqlen_k, block, segment, 0, window


def main():
    print("# Made by block_geometry.py. A line for each query block of each case. window and min_length: 0 for none.")
    print("# Key blocks first_block <= j < candidates_end lie in segments that end before the query block: chosen by score.")
    print("# Key blocks candidates_end <= j < visible_end are always kept. causal_blocks = visible_end - first_block.")
    print(COLUMNS)
    for case in dict.fromkeys(cases()):
        for row in rows_of(*case):
            print(",".join(map(str, case + row)))


if __name__ == "__main__":
    main()
