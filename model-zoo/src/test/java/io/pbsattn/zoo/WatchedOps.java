package io.pbsattn.zoo;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.pbsattn.layer.LayerOps;
import io.pbsattn.layer.Linear;
import io.pbsattn.torch.TorchType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Operations that note how many rows read weights, and that a test may hold up or make fail. */
final class WatchedOps implements LayerOps {

    private final LayerOps ops;

    /** The rows of each call that reads weights. */
    final List<Long> rows = new ArrayList<>();

    /** Is called before the weights are read. */
    Runnable before = () -> {};

    WatchedOps(TorchType type) {
        ops = LayerOps.of(type);
    }

    /** Loads a model that runs by these operations. */
    CausalLm load(Path folder, ModelOptions options, NDManager manager)
            throws IOException, CheckpointException {
        DecoderConfig config = DecoderConfig.read(folder);
        return new CausalLm(
                config,
                GenerationConfig.read(folder),
                CausalLmWeights.read(Checkpoint.open(folder), config, ops.type(), manager),
                config.rope(),
                this,
                options);
    }

    private void note(NDArray x) {
        before.run();
        rows.add(x.getShape().get(0));
    }

    /** The most rows that have read weights at once. */
    long mostRows() {
        return rows.stream().mapToLong(Long::longValue).max().orElse(0);
    }

    /** {@inheritDoc} */
    @Override
    public TorchType type() {
        return ops.type();
    }

    /** {@inheritDoc} */
    @Override
    public NDArray empty(NDManager manager, long rows, long width) {
        return ops.empty(manager, rows, width);
    }

    /** {@inheritDoc} */
    @Override
    public void normalize(NDArray x, NDArray weight, double eps, NDArray y) {
        ops.normalize(x, weight, eps, y);
    }

    /** {@inheritDoc} */
    @Override
    public void linear(NDArray x, List<Linear> layers, List<NDArray> outputs) {
        note(x);
        ops.linear(x, layers, outputs);
    }

    /** {@inheritDoc} */
    @Override
    public void addLinear(NDArray x, Linear layer, NDArray sum) {
        note(x);
        ops.addLinear(x, layer, sum);
    }

    /** {@inheritDoc} */
    @Override
    public void gated(NDArray x, Linear gate, Linear up, NDArray y) {
        note(x);
        ops.gated(x, gate, up, y);
    }

    /** {@inheritDoc} */
    @Override
    public void rotate(NDArray x, NDArray cosines, NDArray sines, NDArray y) {
        ops.rotate(x, cosines, sines, y);
    }

    /** {@inheritDoc} */
    @Override
    public NDArray attendRow(NDArray q, NDArray k, NDArray v, double softmaxScale) {
        return ops.attendRow(q, k, v, softmaxScale);
    }
}
