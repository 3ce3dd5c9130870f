package io.pbsattn.block;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import io.pbsattn.Arrays4;
import io.pbsattn.PbsAttention;
import io.pbsattn.PbsConfig;
import java.util.Random;
import org.testng.Assert;
import org.testng.annotations.Test;

public class PbsAttentionBlockTest {

    @Test
    public void isTheOperatorAsABlock() {
        PbsAttention attention = PbsAttention.create(PbsConfig.DEFAULT);
        PbsAttentionBlock block = new PbsAttentionBlock(attention);
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray x =
                    Arrays4.normal(manager, new Random(1), 1, 2, 600, 64)
                            .toType(DataType.FLOAT32, false);
            ParameterStore store = new ParameterStore(manager, false);
            NDArray found = block.forward(store, new NDList(x, x, x), false).singletonOrThrow();
            Assert.assertEquals(
                    found.toFloatArray(), attention.forward(x, x, x).o().toFloatArray());
            Assert.assertEquals(block.getOutputShapes(new Shape[] {x.getShape()})[0], x.getShape());
            Assert.expectThrows(
                    IllegalArgumentException.class,
                    () -> block.forward(store, new NDList(x, x), false));
            Assert.expectThrows(
                    UnsupportedOperationException.class,
                    () -> block.forward(store, new NDList(x, x, x), true));
        }
    }
}
