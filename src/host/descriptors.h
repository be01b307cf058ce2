/* descriptors: what a child of ours has open and must not live on in. */
#ifndef TCPLUA_HOST_DESCRIPTORS_H
#define TCPLUA_HOST_DESCRIPTORS_H

/* Closes every descriptor of the process but `a` and `b`, 0 to 2 too. */
void descriptors_close_but(int a, int b);

#endif
