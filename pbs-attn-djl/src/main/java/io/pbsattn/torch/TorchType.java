package io.pbsattn.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import java.util.Locale;

/** Element types of PyTorch, with the ones that DJL does not know. */
public enum TorchType {
    /** 8-bit unsigned integer. */
    UINT8(0, 1, DataType.UINT8),
    /** 8-bit signed integer. */
    INT8(1, 1, DataType.INT8),
    /** 16-bit signed integer. */
    INT16(2, 2, DataType.INT16),
    /** 32-bit signed integer. */
    INT32(3, 4, DataType.INT32),
    /** 64-bit signed integer. */
    INT64(4, 8, DataType.INT64),
    /** IEEE half precision. */
    FLOAT16(5, 2, DataType.FLOAT16),
    /** IEEE single precision. */
    FLOAT32(6, 4, DataType.FLOAT32),
    /** IEEE double precision. */
    FLOAT64(7, 8, DataType.FLOAT64),
    /** One byte, 0 or 1. */
    BOOLEAN(11, 1, DataType.BOOLEAN),
    /**
     * The upper half of a float32. DJL reports such arrays as {@link DataType#UNKNOWN}; convert
     * them with {@link LibTorch#toType}, never with {@link NDArray#toType}, which ends the JVM.
     */
    BFLOAT16(15, 2, DataType.UNKNOWN);

    private final int code;
    private final int bytes;
    private final DataType dataType;

    TorchType(int code, int bytes, DataType dataType) {
        this.code = code;
        this.bytes = bytes;
        this.dataType = dataType;
    }

    /**
     * Returns the type of an array's elements.
     *
     * @param array any array; its type is asked of libtorch where DJL does not know it
     * @return the type
     * @throws IllegalArgumentException if the type is none of these
     */
    public static TorchType of(NDArray array) {
        DataType dataType = array.getDataType();
        if (dataType == DataType.UNKNOWN) {
            return LibTorch.get().type(array);
        }
        for (TorchType type : values()) {
            if (type.dataType == dataType) {
                return type;
            }
        }
        throw new IllegalArgumentException("element type " + dataType + " is not supported");
    }

    /**
     * Returns the type of a name such as {@code bfloat16}.
     *
     * @param name a type's name in any case
     * @return the type
     * @throws IllegalArgumentException if there is none of that name
     */
    public static TorchType parse(String name) {
        for (TorchType type : values()) {
            if (type.name().equalsIgnoreCase(name)) {
                return type;
            }
        }
        throw new IllegalArgumentException(
                "dtype: expected float32, bfloat16, float16 or float64, found '" + name + "'");
    }

    /**
     * Returns the type of a libtorch code.
     *
     * @param code libtorch's ScalarType
     * @return the type
     * @throws IllegalArgumentException if the code is none of these
     */
    static TorchType ofCode(int code) {
        for (TorchType type : values()) {
            if (type.code == code) {
                return type;
            }
        }
        throw new IllegalArgumentException("libtorch element type " + code + " is not supported");
    }

    /**
     * Returns libtorch's number for this type.
     *
     * @return the ScalarType
     */
    int code() {
        return code;
    }

    /**
     * Returns the size of one element.
     *
     * @return bytes
     */
    public int bytes() {
        return bytes;
    }

    /**
     * Returns the name as it is written in configurations: {@code bfloat16}.
     *
     * @return the lower-case name
     */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
