/** Stands between a handler and its response: hears the head and the bytes, and may answer the client otherwise. */
import type { ServerResponse } from 'node:http';
import { closeLater } from '../core/close-later.js';
import { type GivenHeaders, setGivenHeaders } from '../core/given-headers.js';
import { decoySocket } from './decoy.js';
import { beforeHeadLeaves } from './departure.js';
import { fieldsOf } from './fields.js';
import { onHangUp } from './hangup.js';
import { argumentsOf, bytesOf, type Callback, frameOf, isBytes, NOT_IN_304, stateLength } from './head.js';
import type { Answer, Interception, Listener } from './listener.js';

/** What node goes by to tell whether a head is written, and a response ended. */
type Progress = { _header: string | null; finished: boolean };

export function intercept(res: ServerResponse, listener: Listener): Interception {
  const own = { writeHead: res.writeHead, write: res.write, end: res.end, flushHeaders: res.flushHeaders };
  const progress = res as unknown as Progress;
  const framing = frameOf(res);
  let answer: Answer | undefined;
  let sentStatus: number | undefined;
  let isEnded = false;
  let isOff = false;
  let hasWritten = false;
  let hasLeft = false;
  /** Whatever is called on the response meanwhile is part of the same output. */
  let isWriting = false;
  /** Output of a response that must wait. */
  let waiting: Callback[] | undefined;

  res.writeHead = function writeHead(
    this: ServerResponse,
    given: number,
    ...rest: unknown[]
  ): ServerResponse {
    // Of several heads that go nowhere the first counts.
    if (answer === 'nothing' && !isOff) return res;
    // As node reads it: '200' is 200.
    const status = given | 0;
    if (isOff || answer !== undefined || status < 200 || status > 999)
      return own.writeHead.apply(res, [given, ...rest] as never);
    const [reason, headers] =
      typeof rest[0] === 'string' ? [rest[0], rest[1]] : [undefined, rest[0] ?? rest[1]];
    setGivenHeaders(res, headers as GivenHeaders);
    const chosen = reason ?? (res.statusMessage || undefined);
    answer = listener.onHead({ status, reason: chosen, fields: fieldsOf(res) }, hasWritten);
    const sent = reason === undefined ? [status] : [status, reason];
    if (answer === 'nothing') return res;
    putBackSocket?.();
    sentStatus = answer === 'not-modified' ? 304 : status;
    if (answer === 'not-modified') return sendNotModified();
    if (answer === 'as-is') return sendHead(sent);
    holdBack(answer.after);
    waiting?.push(() => own.writeHead.apply(res, sent as never));
    return res;
  } as typeof res.writeHead;

  res.write = function write(chunk: unknown, ...rest: unknown[]): boolean {
    const [encoding, callback] = argumentsOf(rest);
    if (isNodesMatter() || !isBytes(chunk)) return own.write.apply(res, [chunk, ...rest] as never);
    judgeHead();
    if (waiting !== undefined) return wait(() => own.write.apply(res, [chunk, ...rest] as never));
    const isSwallowed = answer === 'nothing' || answer === 'not-modified';
    if (isSwallowed && callback !== undefined) process.nextTick(callback);
    const piece = framing.cut(chunk, encoding);
    const isRoomLeft = isSwallowed || output(() => own.write.apply(res, [piece, ...rest] as never));
    listener.onBytes(bytesOf(piece, encoding));
    return isRoomLeft;
  } as typeof res.write;

  res.end = function end(...given: unknown[]): ServerResponse {
    const [chunk, ...rest] = typeof given[0] === 'function' ? [undefined, ...given] : given;
    const [encoding, callback] = argumentsOf(rest);
    if (isNodesMatter() || (chunk && !isBytes(chunk))) return own.end.apply(res, given as never);
    judgeHead(() => stateLength(res, chunk, encoding));
    if (waiting !== undefined) {
      isEnded = true;
      wait(() => own.end.apply(res, given as never));
      progress.finished = true;
      return res;
    }
    const piece = framing.cut(chunk, encoding);
    if (answer === 'not-modified') own.end.apply(res, [callback] as never);
    else if (answer === 'nothing') callback !== undefined && res.once('finish', callback);
    else output(() => own.end.apply(res, [piece, ...rest] as never));
    listener.onBytes(bytesOf(piece, encoding));
    isEnded = true;
    finishIfDone();
    return res;
  } as typeof res.end;

  res.flushHeaders = function flushHeaders(): void {
    if (!isOff) judgeHead();
    if (waiting !== undefined) waiting.push(() => own.flushHeaders.call(res));
    else if (isOff || answer !== 'nothing') own.flushHeaders.call(res);
  };

  beforeHeadLeaves(res, depart);
  res.once('close', onClose);
  const forgetSocket = onHangUp(res.req.socket, onClose);
  const putBackSocket = listener.onGivenUp && decoySocket(res, onGivenUp);
  return {
    stop,
    restore() {
      stop();
      Object.assign(res, own);
    },
  };

  function stop(): void {
    isOff = true;
    res.off('close', onClose);
    forgetSocket();
    putBackSocket?.();
  }

  function onGivenUp(): void {
    stop();
    listener.onGivenUp?.();
  }

  function onClose(): void {
    if (isOff || waiting !== undefined) return;
    stop();
    listener.onClose();
  }

  function depart(): void {
    if (isOff) return;
    hasLeft = true;
    // A session that could not be saved becomes an error, whatever the handler sent.
    if (sentStatus !== res.statusCode) onClose();
    else listener.onDeparture?.();
    finishIfDone();
  }

  /** Sessions hold an `end` back until they are saved. */
  function finishIfDone(): void {
    if (isOff || !isEnded || !(hasLeft || answer === 'nothing')) return;
    stop();
    // A handler that breaks off may call `end` all the same, before anybody hears that the connection is closed.
    if (res.destroyed || res.req.socket.destroyed) listener.onClose();
    else listener.onEnd();
  }

  /** What comes after the end, too: of what waits, the order counts. */
  function isNodesMatter(): boolean {
    return isOff || isWriting || (isEnded && waiting === undefined);
  }

  /** Node writes the head at the first byte. Where that is too late for us, it is written just before. */
  function judgeHead(complete?: Callback): void {
    if (answer !== undefined || res.headersSent || !listener.mayAnswer(res.statusCode)) return;
    complete?.();
    res.writeHead(res.statusCode);
  }

  function output<T>(write: () => T): T {
    isWriting = true;
    hasWritten = true;
    try {
      return write();
    } finally {
      isWriting = false;
    }
  }

  function sendHead(sent: readonly unknown[]): ServerResponse {
    try {
      return own.writeHead.apply(res, sent as never);
    } catch (error) {
      // Node refused it, so the handler may try again.
      answer = undefined;
      throw error;
    }
  }

  function sendNotModified(): ServerResponse {
    for (const name of NOT_IN_304) res.removeHeader(name);
    res.statusMessage = '';
    return own.writeHead.call(res, 304);
  }

  function holdBack(after: Promise<unknown>): void {
    waiting = [];
    // To the handler these headers are gone: nothing may be set any more.
    progress._header = 'held back';
    const putBack = closeLater(res.req, wait);
    // What fails now can be told to nobody.
    after
      .catch(() => {})
      .then(() => letGo(putBack))
      .catch(() => res.destroy());
  }

  function wait(late: Callback): false {
    waiting?.push(late);
    return false;
  }

  function letGo(putBack: Callback): void {
    const outputs = waiting ?? [];
    waiting = undefined;
    stop();
    putBack();
    progress._header = null;
    progress.finished = false;
    for (const release of outputs) release();
    if (outputs.length > 1 && !res.writableEnded) res.emit('drain');
  }
}
