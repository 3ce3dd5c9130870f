package io.pbsattn.torchscript;

import com.sun.jna.Pointer;
import io.pbsattn.torch.TorchType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * One row of an attention mask, element by element allowed, masked or neither. Of the masks that
 * are added to logits, zero allows, and minus infinity, the type's lowest number and what lies
 * below -1e9 mask: the softmax gives such a key a weight of exactly zero.
 */
final class MaskRow {

    private final int bytes;
    private final int length;
    private final int nearestMasked;
    private final int minusInfinity;
    private ByteBuffer elements;

    /**
     * Constructs a row.
     *
     * @param nearestMasked bits of the masking number that is nearest to zero
     * @param minusInfinity its bits; negative numbers grow in magnitude with their bits
     */
    private MaskRow(TorchType type, int length, int nearestMasked, int minusInfinity) {
        bytes = type.bytes();
        this.length = length;
        this.nearestMasked = nearestMasked;
        this.minusInfinity = minusInfinity;
    }

    static boolean canRead(TorchType type) {
        return switch (type) {
            case BOOLEAN, FLOAT32, BFLOAT16, FLOAT16 -> true;
            default -> false;
        };
    }

    /**
     * Makes a row.
     *
     * @param length elements in a row
     */
    static MaskRow of(TorchType type, int length) {
        return switch (type) {
            case BOOLEAN -> new MaskRow(type, length, 0, 0);
            case FLOAT32 -> new MaskRow(type, length, Float.floatToRawIntBits(-1e9f), 0xff80_0000);
            case BFLOAT16 -> new MaskRow(type, length, 0xce6e, 0xff80);
            case FLOAT16 -> new MaskRow(type, length, 0xfbff, 0xfc00);
            default -> throw new IllegalArgumentException("mask of type " + type);
        };
    }

    /** Goes to the row that begins at an offset, in elements. */
    void load(Pointer data, long offset) {
        elements =
                data.getByteBuffer(offset * bytes, (long) length * bytes)
                        .order(ByteOrder.nativeOrder());
    }

    /** The first key that is allowed, -1 if none is. */
    int firstAllowed() {
        for (int j = 0; j < length; ++j) {
            if (isAllowed(j)) {
                return j;
            }
        }
        return -1;
    }

    /** The last key that is allowed, -1 if none is. */
    int lastAllowed() {
        int j = length - 1;
        while (j >= 0 && !isAllowed(j)) {
            --j;
        }
        return j;
    }

    /** Whether the keys from begin to before end are allowed, and all others masked. */
    boolean allowsOnly(int begin, int end) {
        return all(false, 0, begin) && all(true, begin, end) && all(false, end, length);
    }

    private boolean all(boolean allowed, int begin, int end) {
        // Most masks hold one number where they allow and one where they mask: each element is
        // then as the one after it, which is compared many at a time.
        int checked = isUniform(begin, end) ? Math.min(begin + 1, end) : end;
        for (int j = begin; j < checked; ++j) {
            if (allowed ? !isAllowed(j) : !isMasked(j)) {
                return false;
            }
        }
        return true;
    }

    private boolean isUniform(int begin, int end) {
        int compared = Math.max(0, end - begin - 1) * bytes;
        ByteBuffer here = elements.slice(begin * bytes, compared);
        return compared == 0 || here.mismatch(elements.slice((begin + 1) * bytes, compared)) < 0;
    }

    private boolean isAllowed(int j) {
        return switch (bytes) {
            case 1 -> elements.get(j) != 0;
            case 2 -> (elements.getShort(2 * j) & 0x7fff) == 0;
            default -> (elements.getInt(4 * j) & 0x7fff_ffff) == 0;
        };
    }

    private boolean isMasked(int j) {
        if (bytes == 1) {
            return elements.get(j) == 0;
        }
        int bits = bytes == 2 ? elements.getShort(2 * j) & 0xffff : elements.getInt(4 * j);
        return bits >= nearestMasked && bits <= minusInfinity;
    }
}
