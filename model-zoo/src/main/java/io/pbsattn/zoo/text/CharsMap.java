package io.pbsattn.zoo.text;

import com.google.gson.JsonElement;
import io.pbsattn.zoo.checkpoint.CheckpointException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Base64;
import java.util.BitSet;
import java.util.Deque;

/**
 * The character map of a SentencePiece normalizer: the size of a trie, the trie as a double array
 * of 32-bit units, and the texts that its values point to, each with a zero behind it. Every state
 * that a text can lead to is visited, because the native library looks them up unchecked.
 */
final class CharsMap {

    private final int[] units;
    private final byte[] texts;

    private CharsMap(int[] units, byte[] texts) {
        this.units = units;
        this.texts = texts;
    }

    /**
     * Checks a map.
     *
     * @param where it stands: file and key
     * @param map a string in base 64
     * @return the same string, padded
     */
    static String checked(String where, JsonElement map) throws CheckpointException {
        if (!AddedToken.isString(map)) {
            throw new CheckpointException(where + ": expected a string in base 64");
        }
        byte[] bytes;
        try {
            bytes = Base64.getDecoder().decode(map.getAsString());
        } catch (IllegalArgumentException e) {
            throw new CheckpointException(where + ": not base 64: " + e.getMessage(), e);
        }
        ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        long size = bytes.length < Integer.BYTES ? -1 : Integer.toUnsignedLong(buffer.getInt());
        if (size < Integer.BYTES || size > buffer.remaining()) {
            throw new CheckpointException(
                    where + ": expected a trie of at least 4 bytes, found " + size);
        }
        int[] units = new int[(int) (size / Integer.BYTES)];
        buffer.asIntBuffer().get(units);
        int begin = Integer.BYTES * (1 + units.length);
        byte[] texts = Arrays.copyOfRange(bytes, begin, bytes.length);
        try {
            StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(texts));
        } catch (CharacterCodingException e) {
            throw new CheckpointException(where + ": its texts are not UTF-8", e);
        }
        if (!new CharsMap(units, texts).isSafe()) {
            throw new CheckpointException(where + ": its trie leads out of the map");
        }
        return Base64.getEncoder().encodeToString(bytes);
    }

    private boolean isSafe() {
        BitSet seen = new BitSet(units.length);
        Deque<Integer> open = new ArrayDeque<>();
        int root = offset(units[0]);
        open.push(root);
        while (!open.isEmpty()) {
            int state = open.pop();
            for (int label = 1; label < 256; ++label) {
                int child = state ^ label;
                if (child < 0 || child >= units.length) {
                    return false;
                }
                int unit = units[child];
                if ((unit & 0x800000FF) != label || seen.get(child)) {
                    continue;
                }
                seen.set(child);
                int next = child ^ offset(unit);
                boolean isLeaf = (unit >>> 8 & 1) == 1;
                if (isLeaf && (next < 0 || next >= units.length || !isText(units[next]))) {
                    return false;
                }
                open.push(next);
            }
        }
        return true;
    }

    private static int offset(int unit) {
        return unit >>> 10 << ((unit & 1 << 9) >>> 6);
    }

    /** Whether a value points to the first byte of a character, or behind the last one. */
    private boolean isText(int unit) {
        int index = unit & Integer.MAX_VALUE;
        return index == texts.length || (index < texts.length && (texts[index] & 0xC0) != 0x80);
    }
}
