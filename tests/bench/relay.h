/* relay: a host that loses frames, between the two of the benchmark:
 *
 *     near 198.51.100.1 --- veth --- relay --- veth --- 198.51.100.2 far
 *
 * Which frames it loses follows from a seed and their number, so that one run is like another. */
#ifndef TCPLUA_BENCH_RELAY_H
#define TCPLUA_BENCH_RELAY_H

/* Joins the two namespaces by one that loses `percent` of the frames each way; it ends with this
 * process. Both ends compute their checksums and send frames as they are on a wire. */
void relay_start(int near, int far, double percent);

#endif
