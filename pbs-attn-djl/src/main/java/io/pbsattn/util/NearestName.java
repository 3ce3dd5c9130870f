package io.pbsattn.util;

import java.util.Collection;
import java.util.Comparator;

/**
 * Finds the known name that a mistyped one is nearest to, and refuses the mistyped one with it.
 *
 * <p>The distance is the number of letters to insert, drop or replace, or of neighbours to swap.
 */
public final class NearestName {

    /** Names that begin so are ours, whether or not one is known. */
    private static final String PROJECT = "pbs";

    /** Below this length, two names of which one letter differs are taken for two names. */
    private static final int SHORTEST_WITH_A_SLIP = 5;

    /** From this length on, a name may hold two slips. */
    private static final int SHORTEST_WITH_TWO_SLIPS = 8;

    private NearestName() {}

    /**
     * Returns the known name that is nearest to a name.
     *
     * @param name a name
     * @param known the names to choose from, at least one
     * @return the nearest; of equally near ones the first
     */
    public static String of(String name, Collection<String> known) {
        return known.stream()
                .min(Comparator.comparingInt(candidate -> distance(name, candidate)))
                .orElseThrow();
    }

    /**
     * Returns the exception that refuses a name.
     *
     * @param what names the kind of the thing, such as {@code option}
     * @param name the name that nobody knows
     * @param known the names that would do, at least one
     * @return an exception that says {@code unknown option 'attenton'; did you mean 'attention'?}
     */
    public static IllegalArgumentException unknown(
            String what, String name, Collection<String> known) {
        return new IllegalArgumentException(
                "unknown " + what + " '" + name + "'; did you mean '" + of(name, known) + "'?");
    }

    /**
     * Refuses an argument that is meant for us but that we do not know. Arguments of others stand
     * beside ours, so a name that is not like one of ours passes.
     *
     * <p>A name is like ours if it begins with {@code pbs} or with what stands before the dot in
     * one of ours, or if it is one of ours, or what stands before its dot, but for a slip or two.
     *
     * @param name the argument's name
     * @param ours the names that we know, at least one
     * @throws IllegalArgumentException as {@link #unknown} makes it
     */
    public static void refuseIfLikeOurs(String name, Collection<String> ours) {
        if (!ours.contains(name)
                && (name.startsWith(PROJECT) || ours.stream().anyMatch(n -> isLike(name, n)))) {
            throw unknown("option", name, ours);
        }
    }

    private static boolean isLike(String name, String ours) {
        int dot = ours.indexOf('.');
        return (dot > 0 && name.startsWith(ours.substring(0, dot)))
                || isSlip(name, ours)
                || isSlip(firstPart(name), firstPart(ours));
    }

    private static String firstPart(String name) {
        int dot = name.indexOf('.');
        return dot < 0 ? name : name.substring(0, dot);
    }

    private static boolean isSlip(String name, String ours) {
        int length = Math.min(name.length(), ours.length());
        int slips = length < SHORTEST_WITH_A_SLIP ? 0 : length < SHORTEST_WITH_TWO_SLIPS ? 1 : 2;
        return Math.abs(name.length() - ours.length()) <= slips && distance(name, ours) <= slips;
    }

    /** The optimal string alignment distance; row i of the table holds those of i letters of a. */
    private static int distance(String a, String b) {
        int[][] rows = new int[a.length() + 1][b.length() + 1];
        for (int i = 0; i <= a.length(); ++i) {
            for (int j = 0; j <= b.length(); ++j) {
                if (i == 0 || j == 0) {
                    rows[i][j] = i + j;
                    continue;
                }
                int replaced = a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1;
                rows[i][j] =
                        Math.min(
                                Math.min(rows[i - 1][j], rows[i][j - 1]) + 1,
                                rows[i - 1][j - 1] + replaced);
                if (i > 1
                        && j > 1
                        && a.charAt(i - 1) == b.charAt(j - 2)
                        && a.charAt(i - 2) == b.charAt(j - 1)) {
                    rows[i][j] = Math.min(rows[i][j], rows[i - 2][j - 2] + 1);
                }
            }
        }
        return rows[a.length()][b.length()];
    }
}
