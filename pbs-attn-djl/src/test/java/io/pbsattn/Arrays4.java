package io.pbsattn;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.Random;

/** Inputs and comparisons of attention tests. */
public final class Arrays4 {

    private Arrays4() {}

    /**
     * Makes normally distributed values in float64.
     *
     * @param manager the manager
     * @param random the source
     * @param shape (batch, heads, rows, headDim)
     * @return the array
     */
    public static NDArray normal(NDManager manager, Random random, long... shape) {
        Shape s = new Shape(shape);
        double[] values = random.doubles(s.size()).map(u -> random.nextGaussian()).toArray();
        return manager.create(values, s);
    }

    /**
     * Returns the largest difference relative to the largest magnitude.
     *
     * @param found the array to judge
     * @param expected the array to compare with
     * @return the relative error; NaN if either holds one
     */
    public static double maxError(NDArray found, NDArray expected) {
        NDArray f = found.toType(DataType.FLOAT64, false);
        NDArray e = expected.toType(DataType.FLOAT64, false);
        return f.sub(e).abs().max().getDouble() / e.abs().max().getDouble();
    }

    /**
     * Returns the Frobenius norm of the difference relative to that of the expected array.
     *
     * @param found the array to judge
     * @param expected the array to compare with
     * @return the relative error
     */
    public static double frobeniusError(NDArray found, NDArray expected) {
        NDArray e = expected.toType(DataType.FLOAT64, false);
        NDArray d = found.toType(DataType.FLOAT64, false).sub(e);
        return Math.sqrt(d.square().sum().getDouble() / e.square().sum().getDouble());
    }
}
