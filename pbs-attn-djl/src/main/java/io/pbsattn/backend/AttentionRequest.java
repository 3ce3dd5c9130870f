package io.pbsattn.backend;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.AttentionTrace;
import io.pbsattn.BlockGrid;
import io.pbsattn.PbsConfig;
import io.pbsattn.SequenceLengths;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import java.util.Arrays;

/**
 * One validated attention call, as a backend receives it.
 *
 * @param q queries (batch, numQHeads, seqlenQ, headDim); may be a strided view
 * @param k keys (batch, numKvHeads, seqlenK, headDim); may be a strided view
 * @param v values, shaped as the keys
 * @param type element type of q, k and v
 * @param lengths the valid rows of each sequence
 * @param config the settings
 * @param trace where to record the intermediates, or null
 * @param wantsLse whether the log-sum-exp of each row is wanted
 * @param out where the output goes, shaped as q and perhaps q itself; no memory of k and v; null: a
 *     new array
 */
public record AttentionRequest(
        NDArray q,
        NDArray k,
        NDArray v,
        TorchType type,
        SequenceLengths lengths,
        PbsConfig config,
        AttentionTrace trace,
        boolean wantsLse,
        NDArray out) {

    /**
     * Checks that the arrays fit together.
     *
     * @param q queries
     * @param k keys
     * @param v values
     * @param type element type
     * @param lengths the valid rows of each sequence
     * @param config the settings
     * @param trace where to record the intermediates, or null
     * @param wantsLse whether the log-sum-exp of each row is wanted
     * @param out where the output goes, or null
     * @throws IllegalArgumentException naming the array and what was expected
     */
    public AttentionRequest {
        Shape sq = rank4("q", q);
        Shape sk = rank4("k", k);
        Shape sv = rank4("v", v);
        expect(sv.equals(sk), "v: expected the shape of k " + sk + ", found " + sv);
        expect(
                sk.get(0) == sq.get(0),
                "k: expected batch " + sq.get(0) + " as in q, found " + sk.get(0));
        expect(
                sk.get(3) == sq.get(3),
                "k: expected headDim " + sq.get(3) + " as in q, found " + sk.get(3));
        expect(
                sq.get(1) % sk.get(1) == 0,
                "q: expected numQHeads to be a multiple of numKvHeads "
                        + sk.get(1)
                        + ", found "
                        + sq.get(1));
        expect(
                sq.get(2) <= sk.get(2),
                "q: expected at most seqlenK " + sk.get(2) + " rows, found " + sq.get(2));
        expect(
                sk.get(2) <= Integer.MAX_VALUE - config.segmentSize(),
                "k: too many rows: " + sk.get(2));
        expect(
                lengths.batch() == sq.get(0),
                "lengths: expected one for each of "
                        + sq.get(0)
                        + " sequences, found "
                        + lengths.batch());
        if (out != null) {
            Shape so = rank4("out", out);
            expect(so.equals(sq), "out: expected the shape of q " + sq + ", found " + so);
            TorchType found = TorchType.of(out);
            expect(found == type, "out: expected type " + type + " as in q, found " + found);
            expect(
                    out.getDevice().equals(q.getDevice()),
                    "out: expected device " + q.getDevice() + ", found " + out.getDevice());
            checkMemory(out, q, k, v);
        }
        for (int b = 0; b < lengths.batch(); ++b) {
            expect(
                    lengths.q(b) <= sq.get(2) && lengths.k(b) <= sk.get(2),
                    "lengths of sequence "
                            + b
                            + ": expected at most "
                            + sq.get(2)
                            + " queries and "
                            + sk.get(2)
                            + " keys, found "
                            + lengths.q(b)
                            + " and "
                            + lengths.k(b));
        }
    }

    /**
     * Returns the number of sequences.
     *
     * @return the batch size
     */
    public int batch() {
        return (int) q.getShape().get(0);
    }

    /**
     * Returns the number of query heads.
     *
     * @return a multiple of the KV heads
     */
    public int numQHeads() {
        return (int) q.getShape().get(1);
    }

    /**
     * Returns the number of key and value heads.
     *
     * @return the KV heads
     */
    public int numKvHeads() {
        return (int) k.getShape().get(1);
    }

    /**
     * Returns the query rows, padding included.
     *
     * @return rows of q
     */
    public int seqlenQ() {
        return (int) q.getShape().get(2);
    }

    /**
     * Returns the key rows, padding included.
     *
     * @return rows of k and v
     */
    public int seqlenK() {
        return (int) k.getShape().get(2);
    }

    /**
     * Returns the width of a head.
     *
     * @return the head dimension
     */
    public int headDim() {
        return (int) q.getShape().get(3);
    }

    /**
     * Returns the factor on the query-key products.
     *
     * @return the softmax scale
     */
    public double softmaxScale() {
        return config.softmaxScale(headDim());
    }

    /**
     * Returns the block grid of a sequence.
     *
     * @param queries its number of queries
     * @param keys its number of keys
     * @return the grid
     */
    public BlockGrid grid(int queries, int keys) {
        return config.grid(type, queries, keys);
    }

    /**
     * Returns this call on other arrays of the same memory, which stays until these are closed.
     *
     * @param manager will own the arrays
     * @return the call
     */
    public AttentionRequest held(NDManager manager) {
        LibTorch torch = LibTorch.get();
        return new AttentionRequest(
                torch.hold(manager, q),
                torch.hold(manager, k),
                torch.hold(manager, v),
                type,
                lengths,
                config,
                trace,
                wantsLse,
                out == null ? null : torch.hold(manager, out));
    }

    /** What is written must not be read later, nor be written twice. */
    private static void checkMemory(NDArray out, NDArray q, NDArray k, NDArray v) {
        LibTorch torch = LibTorch.get();
        long address = torch.dataPointer(out);
        expect(
                address != torch.dataPointer(k) && address != torch.dataPointer(v),
                "out: expected memory apart from k and v, found theirs");
        boolean isQueries = address == torch.dataPointer(q);
        long[] strides = torch.strides(out);
        for (int i = 0; i < strides.length; ++i) {
            if (out.getShape().get(i) == 1) {
                continue; // The only index is 0, and PyTorch leaves anything there.
            }
            expect(
                    strides[i] != 0,
                    "out: expected memory for each element, found stride 0 in dimension " + i);
            expect(
                    !isQueries || strides[i] == torch.strides(q)[i],
                    "out: expected the strides of q, whose memory it has, found "
                            + Arrays.toString(strides));
        }
    }

    /**
     * Takes an output to where this call wants it.
     *
     * @param o what a backend has computed into an array of its own
     * @return that array, or {@link #out}, and the array is closed then
     */
    public NDArray finish(NDArray o) {
        if (out == null) {
            return o;
        }
        LibTorch.get().copy(o, out);
        o.close();
        return out;
    }

    private static Shape rank4(String name, NDArray array) {
        Shape shape = array.getShape();
        expect(
                shape.dimension() == 4 && shape.size() > 0,
                name
                        + ": expected a non-empty array (batch, heads, rows, headDim), found "
                        + shape);
        return shape;
    }

    private static void expect(boolean holds, String message) {
        if (!holds) {
            throw new IllegalArgumentException(message);
        }
    }
}
