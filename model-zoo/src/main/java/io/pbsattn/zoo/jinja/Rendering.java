package io.pbsattn.zoo.jinja;

import java.time.Clock;
import java.util.Map;
import java.util.Random;

/**
 * What all scopes of a rendering share.
 *
 * @param budget what it may take
 * @param clock what {@code strftime_now} tells
 * @param random what the filter {@code random} chooses by; the same at the same time
 * @param blocks the template's blocks by their names
 */
record Rendering(Budget budget, Clock clock, Random random, Map<String, Body> blocks) {}
