/** What DJL sees: blocks, translators, repositories, and the arguments that they read. */
package io.pbsattn.zoo.djl;
