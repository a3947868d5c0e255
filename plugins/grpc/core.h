/*
 * The only file of the project that includes gRPC C core, a library whose makers promise no
 * stable API to anybody but themselves (built and tested with 1.51).  What is relied on beyond
 * its headers, each found in its source and covered by a test:
 * - all completions of a call come from the queue that the call was requested on, and each queue
 *   has one thread: the handlers of one call never run beside each other;
 * - batches that send and batches that receive may be started from different threads;
 * - a byte buffer and status details are taken over by grpc_call_start_batch() itself;
 * - a cancelled call still completes every batch; its arena lives until the last reference;
 * - grpc_call_cancel_with_status() on a server sends the status, past everything that waits for
 *   flow control.
 */
#ifndef CORE_H
#define CORE_H

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/compression.h>
#include <grpc/grpc.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <grpc/status.h>
#include <grpc/support/alloc.h>
#include <grpc/support/log.h>
#include <grpc/support/time.h>

#endif
