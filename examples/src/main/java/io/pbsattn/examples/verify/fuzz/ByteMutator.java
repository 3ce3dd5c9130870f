package io.pbsattn.examples.verify.fuzz;

import java.util.Arrays;
import java.util.SplittableRandom;

/** Damages bytes, whatever they mean. */
final class ByteMutator {

    private static final int[] EXTREMES = {0, 1, 0x7f, 0x80, 0xff, '{', '}', '"', '\\', 0xc3, 0xed};

    private final SplittableRandom random;

    ByteMutator(SplittableRandom random) {
        this.random = random;
    }

    byte[] mutate(byte[] bytes) {
        byte[] result = bytes.clone();
        for (int n = random.nextInt(3); n >= 0 && result.length > 0; --n) {
            result = change(result);
        }
        return result;
    }

    private byte[] change(byte[] bytes) {
        int at = random.nextInt(bytes.length);
        int length = Math.min(1 + random.nextInt(16), bytes.length - at);
        switch (random.nextInt(6)) {
            case 0 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
            case 1 -> bytes[at] = (byte) EXTREMES[random.nextInt(EXTREMES.length)];
            case 2 -> Arrays.fill(bytes, at, at + length, (byte) (random.nextBoolean() ? 0 : -1));
            case 3 -> {
                return Arrays.copyOf(bytes, at); // cut
            }
            case 4 -> {
                return insert(bytes, at, Arrays.copyOfRange(bytes, at, at + length));
            }
            default -> {
                byte[] shorter = Arrays.copyOf(bytes, bytes.length - length);
                int rest = bytes.length - at - length;
                System.arraycopy(bytes, at + length, shorter, at, rest);
                return shorter;
            }
        }
        return bytes;
    }

    private static byte[] insert(byte[] bytes, int at, byte[] piece) {
        byte[] longer = Arrays.copyOf(bytes, bytes.length + piece.length);
        System.arraycopy(piece, 0, longer, at, piece.length);
        System.arraycopy(bytes, at, longer, at + piece.length, bytes.length - at);
        return longer;
    }
}
