// Mutations: each takes one rule of the protocol away, and the checker must then find a sequence that breaks the
// promise. Without any, it must find none.

export interface Switches {
  /** Writes of this kind of object land whatever the present resourceVersion is. */
  readonly ignoreVersions?: 'budget' | 'pool' | 'map' | 'set';
  /** A write carries the version that is in view when it is sent, and not the one that it was planned from. */
  readonly lateVersions?: boolean;
  /** Live answers count for a version of the pool that came into view after they were asked for. */
  readonly oldAnswers?: boolean;
  /** A pool takes what its row says, whether it has taken that serial before or not. */
  readonly ignoreSerial?: boolean;
  /** File keys and template carry no epoch. */
  readonly noEpoch?: boolean;
  /** Nobody sends RECONNECT. */
  readonly noReconnect?: boolean;
  /** A file that was written counts as followed. */
  readonly raiseBeforeProof?: boolean;
  /** RELOAD's answer counts as proof, whatever the mark says. */
  readonly answerIsProof?: boolean;
  /** A look counts the sessions before it reads the mark. */
  readonly countFirst?: boolean;
  /** Workload and pods from caches count as what the API server says. */
  readonly cachesAreProof?: boolean;
  /** A pool that no cache shows any more counts as gone. */
  readonly unseenIsGone?: boolean;
  /** File keys do not name the pool, so that a successor's are those of its predecessor. */
  readonly sharedKeys?: boolean;
  /** What was planned for an object that is not there is written over one that is. */
  readonly createOver?: boolean;
  /** A pod that is about to end counts as gone. */
  readonly endingIsGone?: boolean;
  /** A pod has the processes that the template says, and not those that it was made with. */
  readonly templateSaysAll?: boolean;
  /** The StatefulSet counts as followed as soon as it is written. */
  readonly writtenIsSeen?: boolean;
  /** A grant that was given and not used is taken back without a file of its generation. */
  readonly unusedIsReturned?: boolean;
  /** The same between row and pool: a raise that was not taken is taken back without its serial. */
  readonly untakenIsReturned?: boolean;
  /** A file that says no more than before has the generation and the mark of before. */
  readonly oldMark?: boolean;
  /** Connections are given although not every process was asked. */
  readonly raiseUnasked?: boolean;
  /** A raise waits until it can be made whole, however long that takes. */
  readonly neverInParts?: boolean;
  /** Pods without a file that can be given none stay. */
  readonly keepStranded?: boolean;
  /** The ConfigMap says no epoch of its own, only its file keys do. */
  readonly noEpochRecord?: boolean;
}
