package io.pbsattn.zoo.model;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Some of a model's layers, by index from 0: {@code 0,1,30-31}.
 *
 * @param option the option that they were given by
 * @param ranges first and last layer of each range
 */
public record LayerRanges(String option, List<Range> ranges) {

    /** The DJL argument that names layers which keep every block. */
    static final String OPTION = "attention.layers";

    /** No layers. */
    public static final LayerRanges NONE = new LayerRanges(OPTION, List.of());

    private static final Pattern RANGE = Pattern.compile("(\\d{1,9})(?:\\s*-\\s*(\\d{1,9}))?");

    /**
     * Neighbouring layers.
     *
     * @param first index from 0
     * @param last index of the last one, which belongs to them
     */
    public record Range(int first, int last) {}

    /**
     * Reads layers from text.
     *
     * @param option the option that they are given by, for messages
     * @param text indexes from 0 and ranges of them, like {@code 0,1,30-31}
     * @return the layers
     * @throws IllegalArgumentException naming the option and what was expected
     */
    public static LayerRanges parse(String option, String text) {
        List<Range> ranges = new ArrayList<>();
        for (String part : text.split(",", -1)) {
            Matcher matcher = RANGE.matcher(part.strip());
            if (!matcher.matches()) {
                throw wrong(option, text);
            }
            int first = Integer.parseInt(matcher.group(1));
            int last = matcher.group(2) == null ? first : Integer.parseInt(matcher.group(2));
            if (last < first) {
                throw wrong(option, text);
            }
            ranges.add(new Range(first, last));
        }
        return new LayerRanges(option, List.copyOf(ranges));
    }

    /**
     * Tells whether a layer is one of them.
     *
     * @param layer its index from 0
     * @return true if it is
     */
    public boolean contains(int layer) {
        return ranges.stream().anyMatch(r -> r.first() <= layer && layer <= r.last());
    }

    /**
     * Checks that a model has all of them.
     *
     * @param numLayers the model's layers
     * @throws IllegalArgumentException naming the option and the layers that there are
     */
    public void check(int numLayers) {
        for (Range range : ranges) {
            if (range.last() >= numLayers) {
                throw new IllegalArgumentException(
                        option
                                + ": expected layers from 0 to "
                                + (numLayers - 1)
                                + ", found "
                                + range.last());
            }
        }
    }

    private static IllegalArgumentException wrong(String option, String text) {
        return new IllegalArgumentException(
                option + ": expected layers like 0,1,30-31, found '" + text + "'");
    }
}
