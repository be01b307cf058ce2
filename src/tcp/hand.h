/* hand: a connection whose segments a script sends, wholly or in part.
 *
 *     TCP_AUTO      the engine sends everything
 *     TCP_ASSIST    it opens the connection, acknowledges, and answers what calls for an answer;
 *                   data, FIN and whatever is sent again come from the script
 *     TCP_MANUAL    it sends nothing
 *
 * In every mode what comes in changes the block as it always does, and tcp_sent() says what the
 * script has sent, so that the mode can be changed at any moment and the numbers are right. */
#ifndef TCPLUA_TCP_HAND_H
#define TCPLUA_TCP_HAND_H

#include "tcp/tcb.h"

/* Before tcp_output() makes a segment: what is owed and not ours to send is let go of, and so are
 * the timers that would make us send it. */
void hand_hold_back(struct tcp *tcp);

/* Before the acknowledgment number `ack` is judged: a peer that has filled the hole before data
 * that a script sent ahead of SND.NXT acknowledges all of it, and SND.NXT follows. Which bytes
 * those were does not matter any more. */
void hand_believe(struct tcp *tcp, uint32_t ack, int64_t now);

#endif
