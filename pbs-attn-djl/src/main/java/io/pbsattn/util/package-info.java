/** What several modules need and Java lacks: whole files, their hashes, and arguments as text. */
package io.pbsattn.util;
