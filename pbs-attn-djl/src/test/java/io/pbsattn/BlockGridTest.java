package io.pbsattn;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.testng.Assert;
import org.testng.annotations.Test;

/** The block grid against the table that C++ and CUDA are tested against too. */
public class BlockGridTest {

    private static final String TABLE = "/block-geometry.csv";
    private static final List<String> COLUMNS =
            List.of(
                    "seqlen_q",
                    "seqlen_k",
                    "block_size",
                    "segment_size",
                    "min_length",
                    "window",
                    "is_dense",
                    "q_block",
                    "first_block",
                    "candidates_end",
                    "visible_end",
                    "causal_blocks");

    @Test
    public void isTheTable() throws IOException {
        Map<BlockGrid, Integer> rows =
                new TreeMap<>((a, b) -> a.toString().compareTo(b.toString()));
        for (int[] line : read()) {
            BlockGrid grid = new BlockGrid(line[0], line[1], line[2], line[3], line[4], line[5]);
            rows.merge(grid, 1, Integer::sum);
            String where = grid + ", line " + Arrays.toString(line);
            Assert.assertEquals(grid.isDense(), line[6] == 1, where);
            int causal = 0;
            for (int j = 0; j < grid.kBlocks(); ++j) {
                boolean isCandidate = grid.isCandidate(line[7], j);
                boolean isForced = grid.isForced(line[7], j);
                Assert.assertEquals(isCandidate, line[8] <= j && j < line[9], where + ", " + j);
                Assert.assertEquals(isForced, line[9] <= j && j < line[10], where + ", " + j);
                causal += isCandidate || isForced ? 1 : 0;
            }
            Assert.assertEquals(causal, line[11], where);
        }
        Assert.assertFalse(rows.isEmpty(), TABLE);
        rows.forEach((grid, lines) -> Assert.assertEquals(grid.qBlocks(), (int) lines, "" + grid));
    }

    private static List<int[]> read() throws IOException {
        List<int[]> lines = new ArrayList<>();
        boolean hasHeader = false;
        try (BufferedReader in =
                new BufferedReader(
                        new InputStreamReader(
                                BlockGridTest.class.getResourceAsStream(TABLE),
                                StandardCharsets.US_ASCII))) {
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                if (line.startsWith("#")) {
                    continue;
                }
                if (!hasHeader) {
                    Assert.assertEquals(List.of(line.split(",")), COLUMNS);
                    hasHeader = true;
                    continue;
                }
                lines.add(Arrays.stream(line.split(",")).mapToInt(Integer::parseInt).toArray());
            }
        }
        return lines;
    }
}
