// The RPCs of people and tools, one a line. From these lines come the methods
// of the handlers and of the clients (admin.h), the services that forward to
// the handlers, and the roles of the callers (rpc_roles.h).
//
//   RPC(NAME, ROLES, TOKEN)
//
// NAME takes a v1::NAMERequest and answers with a v1::NAMEResponse. Only
// ReadVersion is a stream, and has its code in each of those places.
//
// ROLES, a constant of rpc_roles.cc, says which certificates may call it under
// TLS: kLook, kLookOrJoin or kChange. If it looks, its name begins with Get,
// List, Read or Verify (a test checks this).
//
// TOKEN says what else a caller shows where jobs have tokens: kJobToken, the
// token of the request's `job`, if the RPC tells what is in a job or changes
// it; or kNoToken.
#ifndef EBB_RPC_ADMIN_RPCS_H_
#define EBB_RPC_ADMIN_RPCS_H_

#define EBB_SCHEDULER_ADMIN_RPCS(RPC)    \
  RPC(SubmitJob, kChange, kNoToken)      \
  RPC(ListJobs, kLook, kNoToken)         \
  RPC(GetStatus, kLook, kNoToken)        \
  RPC(Explain, kLook, kNoToken)          \
  RPC(GetJob, kLookOrJoin, kJobToken)    \
  RPC(CheckpointNow, kChange, kJobToken) \
  RPC(CancelJob, kChange, kJobToken)     \
  RPC(ForgetJob, kChange, kJobToken)     \
  RPC(PauseJob, kChange, kJobToken)      \
  RPC(ResumeJob, kChange, kJobToken)     \
  RPC(ScaleJob, kChange, kJobToken)      \
  RPC(FinishJob, kChange, kJobToken)     \
  RPC(RollbackJob, kChange, kJobToken)   \
  RPC(ResolveItem, kChange, kJobToken)

#define EBB_PS_ADMIN_RPCS(RPC)        \
  RPC(GetLedgers, kLook, kJobToken)   \
  RPC(ListVersions, kLook, kJobToken) \
  RPC(VerifyVersions, kLook, kJobToken)

#endif  // EBB_RPC_ADMIN_RPCS_H_
