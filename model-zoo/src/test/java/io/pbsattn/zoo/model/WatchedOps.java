package io.pbsattn.zoo.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.pbsattn.layer.LayerOps;
import io.pbsattn.torch.TorchType;
import io.pbsattn.zoo.checkpoint.Checkpoint;
import io.pbsattn.zoo.checkpoint.CheckpointException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongConsumer;

/** Operations that note how many rows read weights, and that a test may hold up or make fail. */
public final class WatchedOps extends HookedLayerOps {

    /** The rows of each call that reads weights. */
    public final List<Long> rows = new ArrayList<>();

    /** Is called with the number of rows before they read weights. */
    public LongConsumer before = rows -> {};

    public WatchedOps(TorchType type) {
        super(LayerOps.of(type));
    }

    /** Loads a model that runs by these operations. */
    public CausalLm load(Path folder, ModelOptions options, NDManager manager)
            throws IOException, CheckpointException {
        DecoderConfig config = DecoderConfig.read(folder);
        SharedArrays memory = new SharedArrays("the model", manager);
        return new CausalLm(
                config,
                CausalLmWeights.read(Checkpoint.open(folder), config, type(), memory.manager()),
                config.rope(),
                this,
                memory,
                options);
    }

    /** {@inheritDoc} */
    @Override
    void readWeights(NDArray x, Runnable call) {
        before.accept(x.getShape().get(0));
        rows.add(x.getShape().get(0));
        call.run();
    }
}
