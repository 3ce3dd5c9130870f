package io.pbsattn;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.testng.Assert;
import org.testng.annotations.Test;

/** The grid against the table that C++ and CUDA are tested against too. */
public class BlockGridTest {

    private static final Path TABLE = Path.of("../native-kernels/test/block-geometry.csv");

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
    public void gridIsThatOfTheTable() throws IOException {
        List<String> lines =
                Files.readAllLines(TABLE).stream().filter(line -> !line.startsWith("#")).toList();
        Assert.assertEquals(List.of(lines.get(0).split(",")), COLUMNS);
        BlockGrid grid = null;
        long causalBlocks = 0;
        for (String line : lines.subList(1, lines.size())) {
            int[] row = Arrays.stream(line.split(",")).mapToInt(Integer::parseInt).toArray();
            BlockGrid next = new BlockGrid(row[0], row[1], row[2], row[3], row[4], row[5]);
            int i = row[7];
            if (i == 0) {
                causalBlocks = 0;
            } else {
                Assert.assertEquals(next, grid, line);
            }
            grid = next;
            causalBlocks += row[11];
            Assert.assertEquals(grid.isDense(), row[6] == 1, line);
            Assert.assertEquals(grid.first(i), row[8], line);
            Assert.assertEquals(grid.candidates(i), row[9], line);
            Assert.assertEquals(grid.visible(i), row[10], line);
            Assert.assertEquals(grid.visible(i) - grid.first(i), row[11], line);
            for (int j = 0; j < grid.kBlocks(); ++j) {
                Assert.assertEquals(grid.isCandidate(i, j), j >= row[8] && j < row[9], line);
                Assert.assertEquals(grid.isForced(i, j), j >= row[9] && j < row[10], line);
            }
            if (i == grid.qBlocks() - 1) {
                Assert.assertEquals(grid.causalBlocks(), causalBlocks, line);
            }
        }
        Assert.assertNotNull(grid, "a table with rows");
    }
}
