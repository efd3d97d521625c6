export { nodeFiles } from "../storage/files.ts";
export {
  BACKUP_FORMAT,
  BackupCheck,
  type BackupHead,
  type BackupOrigin,
  readBackupHead,
  verifyBackup,
} from "./backup-file.ts";
export { planRecovery, type RecoveryPlan, recover } from "./recover.ts";
export { planRestore, type RestorePlan, restore } from "./restore.ts";
export { withStoppedMember } from "./stopped-member.ts";
