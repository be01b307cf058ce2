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

#endif
